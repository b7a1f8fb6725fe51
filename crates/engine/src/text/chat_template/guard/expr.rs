//! Expressions, written again with their operands and containers counted.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CompareOpKind, Expr, Filter, UnaryOpKind};
use minijinja::value::ValueKind;

use super::{Outcome, PREFIX};

/// Counts an operand of `+`, `~` or `*` and what they give: see [`super::functions`].
const PART: &str = "lantern_part";
/// Counts a container and everything in it.
const FLAT: &str = "lantern_flat";

/// A name the template may use.
pub(super) fn own(name: &str, line: u16) -> Outcome<&str> {
    match name.starts_with(PREFIX) {
        true => Err((line.into(), format!("names beginning with `{PREFIX}` are reserved"))),
        false => Ok(name),
    }
}

pub(super) fn target(expr: &Expr<'_>) -> Outcome<String> {
    let list = |items: &[Expr<'_>]| -> Outcome<String> {
        let items = items.iter().map(target).collect::<Outcome<Vec<_>>>()?;
        Ok(format!("({},)", items.join(", ")))
    };
    match expr {
        Expr::Var(node) => Ok(own(node.id, node.span().start_line)?.to_owned()),
        Expr::GetAttr(node) => Ok(format!("{}.{}", target(&node.expr)?, node.name)),
        Expr::Tuple(node) => list(&node.items),
        Expr::List(node) => list(&node.items),
        other => Err((other.span().start_line.into(), "cannot assign to this".into())),
    }
}

pub(super) fn params(args: &[Expr<'_>], defaults: &[Expr<'_>]) -> Outcome<String> {
    let plain = args.len() - defaults.len().min(args.len());
    let params = args.iter().enumerate().map(|(i, arg)| match i.checked_sub(plain) {
        None => target(arg),
        Some(i) => Ok(format!("{}={}", target(arg)?, operand(&defaults[i])?)),
    });
    Ok(params.collect::<Outcome<Vec<_>>>()?.join(", "))
}

/// An expression in a place where anything may stand.
pub(super) fn expr(expr: &Expr<'_>) -> Outcome<String> {
    Ok(match expr {
        Expr::Var(node) => own(node.id, node.span().start_line)?.to_owned(),
        Expr::Const(node) => constant(&node.value),
        Expr::Slice(node) => {
            let bound = |bound: &Option<Expr<'_>>| bound.as_ref().map_or(Ok(String::new()), operand);
            let (start, stop) = (bound(&node.start)?, bound(&node.stop)?);
            let step = node.step.as_ref().map(operand).transpose()?.map(|step| format!(":{step}"));
            format!("{}[{start}:{stop}{}]", operand(&node.expr)?, step.unwrap_or_default())
        }
        Expr::UnaryOp(node) => match node.op {
            UnaryOpKind::Not => format!("not {}", operand(&node.expr)?),
            UnaryOpKind::Neg => format!("-{}", operand(&node.expr)?),
        },
        Expr::BinOp(node) => {
            let part = |side: &Expr<'_>| match side {
                Expr::Const(_) => operand(side),
                _ => Ok(format!("{PART}({})", self::expr(side)?)),
            };
            let (left, right) = (&node.left, &node.right);
            match node.op {
                // Long chains lean to the left: without parentheses they don't nest.
                BinOpKind::Add | BinOpKind::Concat => {
                    let same = matches!(left, Expr::BinOp(inner) if symbol(inner.op) == symbol(node.op));
                    let left = if same { self::expr(left)? } else { part(left)? };
                    format!("{left} {} {}", symbol(node.op), part(right)?)
                }
                BinOpKind::Mul => {
                    format!("{PART}({PART}({}) * {PART}({}))", self::expr(left)?, self::expr(right)?)
                }
                BinOpKind::ScAnd | BinOpKind::ScOr => {
                    let same = matches!(left, Expr::BinOp(inner) if symbol(inner.op) == symbol(node.op));
                    let left = if same { self::expr(left)? } else { operand(left)? };
                    format!("{left} {} {}", symbol(node.op), operand(right)?)
                }
                op => format!("{} {} {}", operand(left)?, symbol(op), operand(right)?),
            }
        }
        Expr::Compare(node) => {
            let mut text = operand(&node.expr)?;
            for op in &node.ops {
                let _ = write!(text, " {} {}", comparison(op.op), operand(&op.expr)?);
            }
            text
        }
        Expr::IfExpr(node) => {
            let text = format!("{} if {}", operand(&node.true_expr)?, operand(&node.test_expr)?);
            match &node.false_expr {
                Some(other) => format!("{text} else {}", operand(other)?),
                None => text,
            }
        }
        Expr::Filter(node) => match &node.expr {
            Some(chain @ Expr::Filter(_)) => format!("{}|{}", self::expr(chain)?, filter(node)?),
            Some(inner) => format!("{}|{}", operand(inner)?, filter(node)?),
            None => filter(node)?,
        },
        Expr::Test(node) => match args(&node.args)?.as_str() {
            "" => format!("{} is {}", operand(&node.expr)?, node.name),
            args => format!("{} is {}({args})", operand(&node.expr)?, node.name),
        },
        Expr::GetAttr(node) => format!("{}.{}", operand(&node.expr)?, node.name),
        Expr::GetItem(node) => format!("{}[{}]", operand(&node.expr)?, self::expr(&node.subscript_expr)?),
        Expr::Call(node) => {
            let text = call(node)?;
            match &node.expr {
                Expr::Var(name) if matches!(name.id, "namespace" | "dict") => format!("{FLAT}({text})"),
                _ => text,
            }
        }
        Expr::List(node) => container(node.items.is_empty(), format!("[{}]", items(&node.items)?)),
        Expr::Tuple(node) if node.items.is_empty() => "()".into(),
        Expr::Tuple(node) => format!("{FLAT}(({},))", items(&node.items)?),
        Expr::Map(node) => {
            let pairs = node.keys.iter().zip(&node.values);
            let pairs = pairs.map(|(key, value)| Ok(format!("{}: {}", operand(key)?, operand(value)?)));
            container(node.keys.is_empty(), format!("{{{}}}", pairs.collect::<Outcome<Vec<_>>>()?.join(", ")))
        }
    })
}

fn container(empty: bool, text: String) -> String {
    if empty { text } else { format!("{FLAT}({text})") }
}

/// An expression as part of another one: in parentheses unless it holds together by itself.
pub(super) fn operand(inner: &Expr<'_>) -> Outcome<String> {
    let text = expr(inner)?;
    Ok(match inner {
        Expr::UnaryOp(_)
        | Expr::BinOp(_)
        | Expr::Compare(_)
        | Expr::IfExpr(_)
        | Expr::Test(_)
        | Expr::Filter(_) => {
            format!("({text})")
        }
        Expr::Const(node) if node.value.kind() == ValueKind::Number => format!("({text})"),
        _ => text,
    })
}

fn items(exprs: &[Expr<'_>]) -> Outcome<String> {
    Ok(exprs.iter().map(operand).collect::<Outcome<Vec<_>>>()?.join(", "))
}

pub(super) fn call(node: &Call<'_>) -> Outcome<String> {
    Ok(format!("{}({})", operand(&node.expr)?, args(&node.args)?))
}

fn filter(node: &Filter<'_>) -> Outcome<String> {
    Ok(match args(&node.args)?.as_str() {
        "" => node.name.to_owned(),
        args => format!("{}({args})", node.name),
    })
}

/// `a | b(1)` of a filter block, whose innermost filter has nothing before it.
pub(super) fn filter_chain(chain: &Expr<'_>) -> Outcome<String> {
    expr(chain)
}

fn args(args: &[CallArg<'_>]) -> Outcome<String> {
    let arg = |arg: &CallArg<'_>| {
        Ok(match arg {
            CallArg::Pos(value) => operand(value)?,
            CallArg::Kwarg(name, value) => format!("{name}={}", operand(value)?),
            CallArg::PosSplat(value) => format!("*{}", operand(value)?),
            CallArg::KwargSplat(value) => format!("**{}", operand(value)?),
        })
    };
    Ok(args.iter().map(arg).collect::<Outcome<Vec<_>>>()?.join(", "))
}

fn symbol(op: BinOpKind) -> &'static str {
    match op {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::ScAnd => "and",
        BinOpKind::ScOr => "or",
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
        BinOpKind::In => "in",
    }
}

fn comparison(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not in",
    }
}

fn constant(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => quote(value.as_str().unwrap_or_default()),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.into(),
        ValueKind::Number => value.to_string(),
        _ => "none".into(),
    }
}

/// A string literal without line breaks, so that line numbers stay those of the original.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
