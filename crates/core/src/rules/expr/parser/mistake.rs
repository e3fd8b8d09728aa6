//! Messages and fixes for unexpected tokens: the usual mistakes.

use super::super::ast::BinaryOperator;
use super::super::lexer::{TokenKind, begins_name, continues_name, syntax};
use super::{Built, Parser, Pending, power};
use crate::domain::sources::Span;
use crate::domain::time::Period;
use crate::rules::diagnostic::Diagnostic;

/// Words that people write between two values, and the operator they mean.
const OPERATOR_WORDS: &[(&str, &str)] =
    &[("and", "&&"), ("or", "||"), ("is", "=="), ("equals", "=="), ("eq", "=="), ("ne", "!="), ("mod", "%")];

/// Functions that people write between two values.
const INFIX_FUNCTIONS: &[&str] = &["contains", "startsWith", "endsWith", "matches", "exists", "all"];

/// Words that may not name anything (CEL language definition, `RESERVED`).
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// An expression without any token.
pub(super) fn empty(text: &str) -> Diagnostic {
    syntax(0, text.len(), "this expression is empty").help("write a condition such as `customer.age >= 18`")
}

impl<'t, P: Fn(usize, usize) -> Span> Parser<'t, P> {
    /// A token where an operator, a closing bracket or the end should be. `open` is the bracket that waits to be
    /// closed: its closing counterpart, and its place.
    pub(super) fn unexpected(&self, open: Option<(&'static str, (usize, usize))>) -> Diagnostic {
        let (start, end) = self.here();
        match (self.peek(), open) {
            (TokenKind::End, Some((closing, (from, to)))) => {
                syntax(from, to, format!("this `{}` is never closed", self.slice(from, to)))
                    .help(format!("add the missing `{closing}`"))
            }
            (TokenKind::Symbol(symbol), _) => self.unexpected_symbol(symbol, open),
            (TokenKind::Name(name), _) => self.unexpected_name(name),
            _ => syntax(start, end, format!("an operator is missing before `{}`", self.slice(start, end))),
        }
    }

    fn unexpected_symbol(&self, symbol: &str, open: Option<(&str, (usize, usize))>) -> Diagnostic {
        let (start, end) = self.here();
        match (symbol, open) {
            (")" | "]" | "}", Some((closing, (from, to)))) => {
                let note = format!("`{}` is opened here", self.slice(from, to));
                syntax(start, end, format!("`{closing}` should stand here, not `{symbol}`"))
                    .related(super::local_span(from, to), note)
            }
            (")" | "]" | "}", None) => syntax(start, end, format!("this `{symbol}` closes nothing")),
            (",", _) => syntax(start, end, "`,` stands only between arguments and between list entries")
                .help("a condition is a list: put each expression on its own line"),
            (":", _) => syntax(start, end, "`:` has no `?` before it").help("text that holds `:` stands in quotes"),
            ("!", _) => syntax(start, end, "`!` stands before a condition, not behind a value")
                .help("write `!=` for `not equal`, or `!(x in list)` for `not in`"),
            _ => syntax(start, end, format!("`{symbol}` cannot stand here")),
        }
    }

    fn unexpected_name(&self, name: &str) -> Diagnostic {
        let (start, end) = self.here();
        if let Some(duration) = self.duration_without_quotes(end) {
            return duration;
        }
        let is_word = |word: &str| word.eq_ignore_ascii_case(name);
        if let Some((_, meant)) = OPERATOR_WORDS.iter().find(|(word, _)| is_word(word)) {
            let error = syntax(start, end, format!("`{name}` is not an operator")).help(format!("write `{meant}`"));
            return if self.next_is_not() { error } else { error.replace(*meant) };
        }
        let missing = syntax(start, end, format!("an operator is missing before `{name}`"));
        if is_word("not") {
            return missing.help("write `!(x in list)` for `not in`, and `!=` for `not equal`");
        }
        match INFIX_FUNCTIONS.iter().find(|function| is_word(function)) {
            Some(function) => missing.help(format!("`{function}` is a function: write `x.{function}(...)`")),
            None => missing.help("text stands in quotes; conditions are joined with `&&` or `||`"),
        }
    }

    /// `30 days`: a number, and a unit that ends here.
    fn duration_without_quotes(&self, end: usize) -> Option<Diagnostic> {
        let number = self.next.checked_sub(1).and_then(|last| self.token(last))?;
        let written = self.slice(number.start, end);
        let is_duration = matches!(number.kind, TokenKind::Number(_)) && Period::parse(written).is_ok();
        is_duration.then(|| {
            let help = format!("write `duration(\"{written}\")`, or `\"{written}\"` as the window of a `count`");
            syntax(number.start, end, format!("`{written}` is a duration without quotes")).help(help)
        })
    }

    /// Whether the token after this one is `not`, as in `is not`.
    fn next_is_not(&self) -> bool {
        self.token(self.next + 1)
            .is_some_and(|token| matches!(token.kind, TokenKind::Name(name) if name.eq_ignore_ascii_case("not")))
    }

    /// A token where a value should be.
    pub(super) fn missing_operand(&self) -> Diagnostic {
        let (start, end) = self.here();
        let here = self.slice(start, end);
        let before = self.next.checked_sub(1).and_then(|last| self.token(last));
        match (before, self.peek()) {
            (None, _) => syntax(start, end, format!("a value is missing before `{here}`")),
            (Some(last), TokenKind::End) => {
                let message = format!("a value is missing after `{}`", self.slice(last.start, last.end));
                syntax(last.start, last.end, message)
            }
            (Some(last), _) => {
                let written = self.slice(last.start, last.end);
                syntax(last.start, end, format!("a value is missing between `{written}` and `{here}`"))
            }
        }
    }

    /// `a ? b` without a `:`.
    pub(super) fn missing_colon(&self, condition: &Built) -> Diagnostic {
        let (start, end) = self.here();
        if self.peek() == &TokenKind::Symbol("?") {
            return syntax(start, end, "a `?` inside a `?` needs parentheses").help("write `a ? (b ? c : d) : e`");
        }
        let asked = self.slice(condition.start, condition.end);
        syntax(start, end, "a `:` is missing here").help(format!("write `{asked} ? value if true : value if false`"))
    }

    /// Words that cannot be names: `null`, `not`, reserved words, and `True`.
    pub(super) fn refuse_word(&self, name: &str) -> Result<(), Diagnostic> {
        let (start, end) = self.here();
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "in" | "and" | "or" => Err(self.missing_operand()),
            "null" | "nil" | "none" | "undefined" if !self.called() => Err(self.no_null(name)),
            "true" | "false" if lower != name => Err(syntax(start, end, format!("`{name}` is not a name"))
                .help(format!("write `{lower}`"))
                .replace(lower)),
            "not" => self.refuse_not(name),
            "if" => Err(syntax(start, end, "`if` is a reserved word").help("write `condition ? a : b`")),
            _ if RESERVED.contains(&name) => Err(syntax(start, end, format!("`{name}` is a reserved word"))),
            _ => Ok(()),
        }
    }

    /// The operand of a `not`: up to the next `&&`, `||`, `and` or `or` outside brackets.
    fn operand_behind(&self, end: usize) -> &str {
        let (mut depth, mut last) = (0_i32, end);
        for token in self.tokens.iter().skip(self.next + 1) {
            match token.kind {
                TokenKind::End | TokenKind::Symbol("&&" | "||" | "?" | ",") if depth == 0 => break,
                TokenKind::Name("and" | "or") if depth == 0 => break,
                TokenKind::Symbol("(" | "[") => depth += 1,
                TokenKind::Symbol(")" | "]") if depth == 0 => break,
                TokenKind::Symbol(")" | "]") => depth -= 1,
                _ => {}
            }
            last = token.end;
        }
        let operand = self.slice(end, last).trim();
        operand.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(operand)
    }

    fn no_null(&self, name: &str) -> Diagnostic {
        let (start, end) = self.here();
        syntax(start, end, format!("`{name}` is not a value here"))
            .help("a missing fact is unknown: ask with `has(x)` or `!has(x)`")
    }

    /// `not x`; a fact called `not` is still a name.
    fn refuse_not(&self, name: &str) -> Result<(), Diagnostic> {
        let (start, end) = self.here();
        let meant = format!("!({})", self.operand_behind(end));
        let error = syntax(start, end, format!("`{name}` is not an operator"));
        let error = match self.next {
            0 => {
                error.help(format!("write `'{meant}'`, in quotes because it begins with `!`; or put it under `none:`"))
            }
            _ => error.help(format!("write `{meant}`")),
        };
        match self.token(self.next + 1).map(|token| (&token.kind, token.start)) {
            Some((TokenKind::Symbol("("), bracket)) => {
                Err(Diagnostic { span: super::local_span(start, bracket), ..error.replace("!") })
            }
            Some((TokenKind::Symbol("!" | "-" | "["), _)) => Err(error),
            Some((TokenKind::Name(_) | TokenKind::Text(_) | TokenKind::Number(_), _)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the next token is a name with an opening parenthesis behind it.
    fn called(&self) -> bool {
        self.token(self.next + 1).is_some_and(|token| token.kind == TokenKind::Symbol("("))
    }

    /// The name behind a dot, with its range.
    pub(super) fn member_name(&mut self) -> Result<(&'t str, usize, usize), Diagnostic> {
        let (start, end) = self.here();
        match *self.peek() {
            TokenKind::Name(name @ ("true" | "false" | "null" | "in")) => {
                Err(syntax(start, end, format!("`{name}` cannot stand behind a `.`")))
            }
            TokenKind::Name(name) => {
                self.advance();
                Ok((name, start, end))
            }
            _ => Err(syntax(start.saturating_sub(1), end, "a name is missing after `.`")),
        }
    }

    /// `a[0]`, `a["b"]`: left out on purpose.
    pub(super) fn index(&self) -> Diagnostic {
        let (start, end) = self.here();
        let message = "`[...]` behind a value is left out of the language";
        let inner = self.token(self.next + 1).map(|token| &token.kind);
        let closing = self.token(self.next + 2).filter(|token| token.kind == TokenKind::Symbol("]"));
        match (inner, closing) {
            (Some(TokenKind::Text(field)), Some(closing)) if is_name(field) => {
                syntax(start, closing.end, message).help(format!("write `.{field}`")).replace(format!(".{field}"))
            }
            _ => syntax(start, end, message).help("ask with `x in list`, `list.exists(x, ...)` or `list.all(x, ...)`"),
        }
    }

    /// `{...}`: left out on purpose.
    pub(super) fn braces(&self) -> Diagnostic {
        let (start, end) = self.here();
        syntax(start, end, "`{` is left out of the language: there are no maps")
            .help("name facts without braces; several values make a list, as in `x in [\"a\", \"b\"]`")
    }

    /// `1 < x < 5`, where `middle` is `x` and `operator`, the next token, the second `<`.
    pub(super) fn refuse_chained_order(
        &self,
        previous: Option<&Pending>,
        middle: &Built,
        operator: BinaryOperator,
    ) -> Result<(), Diagnostic> {
        if !(previous.is_some_and(|previous| is_order(previous.operator)) && is_order(operator)) {
            return Ok(());
        }
        let (start, end) = self.here();
        let corrected = format!("&& {} {}", self.slice(middle.start, middle.end), self.slice(start, end));
        Err(syntax(start, end, "comparisons do not chain")
            .help(format!("say it twice: `... {corrected} ...`"))
            .replace(corrected))
    }

    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or("")
    }
}

fn is_order(operator: BinaryOperator) -> bool {
    use BinaryOperator::{Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(operator, Less | LessOrEqual | Greater | GreaterOrEqual)
}

fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(continues_name) && power(text).is_none()
}
