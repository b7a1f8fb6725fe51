//! Rewrites a template so that nothing in it can grow without being counted.
//!
//! The engine limits steps and the sandbox checks its own functions, but forty times `s ~ s` are few steps and a
//! terabyte. So the template is parsed, and written again with a call around every operand that can grow, at the top
//! of every loop and macro, and around every container. What it renders stays the same, and so do line numbers.

mod expr;

use std::fmt::Write as _;

use minijinja::machinery::ast::{Expr, Stmt};

use expr::{call, expr, filter_chain, operand, own, params, quote, target};

/// Names with this beginning belong to the guard.
pub const PREFIX: &str = "lantern_";
/// The same for what a namespace will hold.
const HELD: &str = "lantern_held";
/// Counts one pass through a loop or a macro, with the bytes of plain text in it.
const TICK: &str = "lantern_tick";

/// The statements of a template, written again. `Err` names a construct that chat templates may not use.
pub fn rewrite(template: &Stmt<'_>) -> Result<String, (usize, String)> {
    let mut writer = Writer { out: String::new(), line: 1 };
    match template {
        Stmt::Template(template) => writer.body(&template.children)?,
        other => writer.stmt(other)?,
    }
    Ok(writer.out)
}

/// An error is a line and what is wrong there.
type Outcome<T = ()> = Result<T, (usize, String)>;

struct Writer {
    out: String,
    line: usize,
}

impl Writer {
    fn body(&mut self, stmts: &[Stmt<'_>]) -> Outcome {
        stmts.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    /// Begins a tag on the line where the original one stands.
    fn open(&mut self, tag: &str, line: u16) {
        self.out.push_str(tag);
        while self.line < usize::from(line) {
            self.out.push('\n');
            self.line += 1;
        }
        self.out.push(' ');
    }

    fn tag(&mut self, line: u16, content: &str) {
        self.open("{%", line);
        self.out.push_str(content);
        self.out.push_str(" %}");
    }

    fn tick(&mut self, body: &[Stmt<'_>]) {
        let _ = write!(self.out, "{{{{ {TICK}({}) }}}}", raw_bytes(body));
    }

    fn stmt(&mut self, stmt: &Stmt<'_>) -> Outcome {
        match stmt {
            Stmt::Template(node) => self.body(&node.children)?,
            Stmt::EmitExpr(node) => {
                let text = expr(&node.expr)?;
                self.open("{{", node.span().start_line);
                self.out.push_str(&text);
                self.out.push_str(" }}");
            }
            Stmt::EmitRaw(node) => {
                let _ = write!(self.out, "{{{{ {} }}}}", quote(node.raw));
            }
            Stmt::ForLoop(node) => {
                let mut head = format!("for {} in {}", target(&node.target)?, operand(&node.iter)?);
                if let Some(filter) = &node.filter_expr {
                    let _ = write!(head, " if {TICK}(0) == '' and {}", operand(filter)?);
                }
                if node.recursive {
                    head.push_str(" recursive");
                }
                self.tag(node.span().start_line, &head);
                self.tick(&node.body);
                self.body(&node.body)?;
                if !node.else_body.is_empty() {
                    self.tag(0, "else");
                    self.body(&node.else_body)?;
                }
                self.tag(0, "endfor");
            }
            Stmt::IfCond(_) => self.branches(stmt, "if")?,
            Stmt::WithBlock(node) => {
                let pairs = node.assignments.iter();
                let pairs = pairs.map(|(name, value)| Ok(format!("{} = {}", target(name)?, operand(value)?)));
                let pairs = pairs.collect::<Outcome<Vec<_>>>()?.join(", ");
                self.tag(node.span().start_line, &format!("with {pairs}"));
                self.body(&node.body)?;
                self.tag(0, "endwith");
            }
            Stmt::Set(node) => {
                let mut value = expr(&node.expr)?;
                if matches!(node.target, Expr::GetAttr(_)) {
                    value = format!("{HELD}({value})");
                }
                self.tag(node.span().start_line, &format!("set {} = {value}", target(&node.target)?));
            }
            Stmt::SetBlock(node) => {
                let filters = node.filter.as_ref().map(filter_chain).transpose()?;
                let filters = filters.map(|chain| format!(" | {chain}")).unwrap_or_default();
                self.tag(node.span().start_line, &format!("set {}{filters}", target(&node.target)?));
                self.body(&node.body)?;
                self.tag(0, "endset");
            }
            // Nothing is ever escaped.
            Stmt::AutoEscape(node) => self.body(&node.body)?,
            Stmt::FilterBlock(node) => {
                self.tag(node.span().start_line, &format!("filter {}", filter_chain(&node.filter)?));
                self.body(&node.body)?;
                self.tag(0, "endfilter");
            }
            Stmt::Macro(node) => {
                let head = format!(
                    "macro {}({})",
                    own(node.name, node.span().start_line)?,
                    params(&node.args, &node.defaults)?
                );
                self.tag(node.span().start_line, &head);
                self.tick(&node.body);
                self.body(&node.body)?;
                self.tag(0, "endmacro");
            }
            Stmt::CallBlock(node) => {
                let declared = &node.macro_decl;
                let head =
                    format!("call({}) {}", params(&declared.args, &declared.defaults)?, call(&node.call)?);
                self.tag(node.span().start_line, &head);
                self.tick(&declared.body);
                self.body(&declared.body)?;
                self.tag(0, "endcall");
            }
            Stmt::Continue(node) => self.tag(node.span().start_line, "continue"),
            Stmt::Break(node) => self.tag(node.span().start_line, "break"),
            Stmt::Do(node) => self.tag(node.span().start_line, &format!("do {}", call(&node.call)?)),
            Stmt::Block(node) => return Err(refused(node.span().start_line, "block")),
            Stmt::Import(node) => return Err(refused(node.span().start_line, "import")),
            Stmt::FromImport(node) => return Err(refused(node.span().start_line, "from … import")),
            Stmt::Extends(node) => return Err(refused(node.span().start_line, "extends")),
            Stmt::Include(node) => return Err(refused(node.span().start_line, "include")),
        }
        Ok(())
    }

    /// `if` with its `elif`s, which the tree holds as an `if` alone in the other branch.
    fn branches(&mut self, stmt: &Stmt<'_>, word: &str) -> Outcome {
        let Stmt::IfCond(node) = stmt else { return self.stmt(stmt) };
        self.tag(node.span().start_line, &format!("{word} {}", operand(&node.expr)?));
        self.body(&node.true_body)?;
        match node.false_body.as_slice() {
            [] => {}
            [nested @ Stmt::IfCond(_)] => return self.branches(nested, "elif"),
            body => {
                self.tag(0, "else");
                self.body(body)?;
            }
        }
        self.tag(0, "endif");
        Ok(())
    }
}

fn refused(line: u16, word: &str) -> (usize, String) {
    (line.into(), format!("`{word}` has no meaning in a chat template"))
}

/// The bytes of plain text in a body, those of its branches and inner loops included.
fn raw_bytes(stmts: &[Stmt<'_>]) -> usize {
    let of = |stmt: &Stmt<'_>| match stmt {
        Stmt::EmitRaw(node) => node.raw.len(),
        Stmt::ForLoop(node) => raw_bytes(&node.body) + raw_bytes(&node.else_body),
        Stmt::IfCond(node) => raw_bytes(&node.true_body) + raw_bytes(&node.false_body),
        Stmt::WithBlock(node) => raw_bytes(&node.body),
        Stmt::SetBlock(node) => raw_bytes(&node.body),
        Stmt::AutoEscape(node) => raw_bytes(&node.body),
        Stmt::FilterBlock(node) => raw_bytes(&node.body),
        _ => 0,
    };
    stmts.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use minijinja::machinery::parse;
    use minijinja::syntax::SyntaxConfig;

    use super::*;

    fn rewritten(template: &str) -> String {
        rewrite(&parse(template, "test", SyntaxConfig::default()).unwrap()).unwrap()
    }

    #[test]
    fn operands_loops_and_containers_are_counted() {
        assert_eq!(rewritten("{{ a ~ 'x' ~ b.c }}"), r#"{{ lantern_part(a) ~ "x" ~ lantern_part(b.c) }}"#);
        assert_eq!(rewritten("{{ 'x' * n }}"), r#"{{ lantern_part(lantern_part("x") * lantern_part(n)) }}"#);
        assert_eq!(
            rewritten("{% for x in y if x %}ab{% endfor %}"),
            r#"{% for x in y if lantern_tick(0) == '' and x %}{{ lantern_tick(2) }}{{ "ab" }}{% endfor %}"#
        );
        assert_eq!(rewritten("{% set n.a = [b] %}"), "{% set n.a = lantern_held(lantern_flat([b])) %}");
    }

    #[test]
    fn precedence_is_kept() {
        assert_eq!(rewritten("{{ (a|f|g(1)).h }}"), "{{ (a|f|g((1))).h }}");
        assert_eq!(rewritten("{{ (a if b else c)[1:] }}"), "{{ (a if b else c)[(1):] }}");
        assert_eq!(rewritten("{{ (a or b) and not c }}"), "{{ (a or b) and (not c) }}");
        assert_eq!(
            rewritten("{{ (a - b) * -c }}"),
            "{{ lantern_part(lantern_part(a - b) * lantern_part(-c)) }}"
        );
    }

    #[test]
    fn statements_stay_on_their_lines() {
        let text = rewritten("a\n{% if x %}\n{{ y }}\n{% elif z %}{% endif %}\n\n{{ w }}");
        let line = |what: &str| text[..text.find(what).unwrap()].matches('\n').count() + 1;
        assert_eq!([line("if x"), line("y }"), line("elif z"), line("w }")], [2, 3, 4, 6], "{text}");
    }
}
