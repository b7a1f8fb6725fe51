//! Exact arithmetic: numbers are fractions of whole numbers of any length, so 0.1 + 0.2 is 0.3.
//!
//! `+ - * / % ^`, parentheses, `sqrt`, `abs`, `round`, `floor`, `ceil`, `min`, `max`, and `!` behind a whole number. A root that
//! is no fraction is given to 40 digits and said to be rounded. Limits of length, depth and digits hold for every step.

mod number;
mod parse;

use serde_json::json;

use super::{Arguments, object, reading, required};
use crate::{Definition, ToolError, ToolOutput};

/// The tool's name.
pub const NAME: &str = "calculator";

/// As it is told to the model.
pub(super) fn definition() -> Definition {
    let expression = json!({
        "type": "string",
        "description": "One expression of numbers, operators and functions; no words, no `=`",
    });
    reading(
        NAME,
        "Calculator",
        "Calculates exactly, with numbers of any length. Knows + - * / % ^ ( ) ! sqrt abs round floor ceil min max.",
        object(&[("expression", expression)], 1),
    )
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<ToolOutput, ToolError> {
    let expression = required(arguments, "expression")?;
    Ok(ToolOutput::text(calculate(expression).map_err(ToolError::Arguments)?))
}

/// The value of an expression as a decimal number, or why it has none.
pub fn calculate(expression: &str) -> Result<String, String> {
    let value = parse::evaluate(expression)?;
    Ok(value.written())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(expression: &str, value: &str) {
        assert_eq!(calculate(expression).as_deref(), Ok(value), "{expression}");
    }

    #[test]
    fn arithmetic_is_exact() {
        is("0.1 + 0.2", "0.3");
        is("1/3 + 1/3 + 1/3", "1");
        is("2^64", "18446744073709551616");
        is("2^-2", "0.25");
        is("-2^2", "-4");
        is("(-2)^2", "4");
        is("2^3^2", "512");
        is("7 % 3", "1");
        is("-7 % 3", "-1");
        is("10!", "3628800");
        is("1e3 + 1.5e-2", "1000.015");
        is("1_000 * 2", "2000");
        is("3 × 4 ÷ 2 − 1", "5");
        is("(1299.99 - 150) * 1.19", "1368.4881");
        is("2**10", "1024");
    }

    #[test]
    fn functions_and_roots() {
        is("sqrt(16)", "4");
        is("sqrt(1/4)", "0.5");
        is("4^0.5", "2");
        is("sqrt(2)", "1.4142135623730950488016887242096980785697 (rounded)");
        is("round(2.5)", "3");
        is("round(-2.5)", "-3");
        is("round(2.345, 2)", "2.35");
        is("floor(-1.2)", "-2");
        is("ceil(-1.2)", "-1");
        is("max(1, 2.5, -3)", "2.5");
        is("min(4, 2/3)", "0.6666666666666666666666666666666666666667 (rounded; exactly 2/3)");
        is("abs(-3)", "3");
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (expression, why) in [
            ("1/0", "division by zero"),
            ("1 % 0", "division by zero"),
            ("0^-1", "division by zero"),
            ("sqrt(-1)", "negative"),
            ("(1", "`)`"),
            ("1 +", "ends too early"),
            ("2 3", "`3`"),
            ("foo(1)", "`foo`"),
            ("x", "`x`"),
            ("1.2.3", "`.3`"),
            ("2.5!", "whole"),
            ("", "ends too early"),
            ("2^0.3", "power"),
        ] {
            let error = calculate(expression).expect_err(expression);
            assert!(error.contains(why), "{expression}: {error}");
        }
    }

    #[test]
    fn nothing_is_too_large_to_be_refused() {
        for expression in [
            "9^9^9^9".to_owned(),
            "10^100000".to_owned(),
            "99999!".to_owned(),
            "1e999999999".to_owned(),
            "1e-999999999".to_owned(),
            "(".repeat(5000),
            "-".repeat(5000),
            format!("{}1", "2^".repeat(400)),
            format!("1{}", "+1".repeat(5000)),
            "((10^4000)^4000)".to_owned(),
        ] {
            assert!(calculate(&expression).is_err(), "{}", &expression[..expression.len().min(20)]);
        }
        assert!(calculate(&format!("{}1{}", "(".repeat(50), ")".repeat(50))).is_ok());
    }
}
