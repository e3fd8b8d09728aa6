//! Splits an expression into tokens, and reports mistakes in single characters.
//!
//! Spans here are byte ranges within the expression's own text; the parser carries them over to the rule file. Literals
//! of text are decoded in `text`, numbers in `number`. The parser decides what tokens mean together.

mod number;
mod text;

use crate::domain::sources::{FileId, Span};
use crate::rules::code::EXPRESSION_SYNTAX;
use crate::rules::diagnostic::{Code, Diagnostic};

/// One token with its byte range in the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'t> {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: TokenKind<'t>,
}

/// The kinds of tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind<'t> {
    /// `3`, `2.5`, `0x1f`
    Number(f64),
    /// `"speed"`, decoded
    Text(String),
    /// `customer`, `in`, `true`
    Name(&'t str),
    /// An operator, a bracket or a separator.
    Symbol(&'static str),
    /// Past the last token.
    End,
}

/// Every symbol of the language.
const SYMBOLS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// What people write for an operator, and the operator they mean.
const SLIPS: &[(&str, &str)] = &[
    ("===", "=="),
    ("!==", "!="),
    ("=>", ">="),
    ("=<", "<="),
    ("<>", "!="),
    ("=", "=="),
    ("&", "&&"),
    ("|", "||"),
    ("≥", ">="),
    ("≤", "<="),
    ("≠", "!="),
    ("×", "*"),
    ("÷", "/"),
    ("−", "-"),
    ("–", "-"),
];

/// Quotes that word processors put in place of the straight ones.
const SMART_QUOTES: &[char] = &['“', '”', '„', '‟', '‘', '’', '‚', '«', '»'];

/// Splits `text` into tokens; the last one is always [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Diagnostic> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_spaces();
        let start = lexer.at;
        let kind = lexer.token()?;
        let done = kind == TokenKind::End;
        tokens.push(Token { start, end: lexer.at, kind });
        if done {
            return Ok(tokens);
        }
    }
}

/// A syntax error at a byte range within the expression.
pub(super) fn syntax(start: usize, end: usize, message: impl Into<String>) -> Diagnostic {
    local(EXPRESSION_SYNTAX, start, end, message)
}

/// An error at a byte range within the expression.
pub(super) fn local(code: Code, start: usize, end: usize, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, local_span(start, end), message)
}

/// A byte range within the expression, in the shape of a span.
pub(super) fn local_span(start: usize, end: usize) -> Span {
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file: FileId::default(), start: narrow(start), end: narrow(end) }
}

/// The quote that a replacement may hold without ending a YAML scalar around the expression: one that the
/// expression itself already uses.
pub(super) fn safe_quote(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '"' | '\''))
}

/// The state of the lexer.
struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips spaces and `//` comments.
    fn skip_spaces(&mut self) {
        loop {
            let rest = self.rest();
            let spaces = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']).len();
            self.at += spaces;
            if !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        }
    }

    fn token(&mut self) -> Result<TokenKind<'t>, Diagnostic> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        let second = self.rest().chars().nth(1);
        match first {
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '"' | '\'' => self.quoted(false),
            _ if begins_name(first) => self.word(),
            _ => self.symbol(first),
        }
    }

    fn number(&mut self) -> Result<TokenKind<'t>, Diagnostic> {
        let (value, length) = number::scan(self.text, self.at)?;
        self.at += length;
        Ok(TokenKind::Number(value))
    }

    fn quoted(&mut self, raw: bool) -> Result<TokenKind<'t>, Diagnostic> {
        let (value, end) = text::scan(self.text, self.at, raw)?;
        self.at = end;
        Ok(TokenKind::Text(value))
    }

    /// A name, or the prefix of a raw text.
    fn word(&mut self) -> Result<TokenKind<'t>, Diagnostic> {
        let start = self.at;
        let rest = self.rest();
        let word = rest.get(..rest.find(|c| !continues_name(c)).unwrap_or(rest.len())).unwrap_or(rest);
        self.at += word.len();
        if !matches!(self.peek(), Some('"' | '\'')) {
            return self.plain_name(word, start);
        }
        match word {
            "r" | "R" => self.quoted(true),
            "b" | "B" | "br" | "bR" | "Br" | "BR" | "rb" | "rB" | "Rb" | "RB" => {
                Err(syntax(start, self.at, "bytes are not a value here")
                    .help("drop the `b`: text is enough")
                    .replace(""))
            }
            _ => self.plain_name(word, start),
        }
    }

    /// Refuses a name with later letters outside `a` to `z`, such as `straße`.
    fn plain_name(&self, word: &'t str, start: usize) -> Result<TokenKind<'t>, Diagnostic> {
        match self.peek() {
            Some(strange) if strange.is_alphanumeric() => Err(strange_name(self.text, start)),
            _ => Ok(TokenKind::Name(word)),
        }
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind<'t>, Diagnostic> {
        let rest = self.rest();
        let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
        let slip = SLIPS.iter().find(|slip| rest.starts_with(slip.0));
        match (symbol, slip) {
            (Some(symbol), None) => Ok(self.take(symbol)),
            (Some(symbol), Some(slip)) if symbol.len() >= slip.0.len() => Ok(self.take(symbol)),
            (_, Some((written, meant))) => Err(self.slip(written, meant)),
            (None, None) => Err(self.strange(first)),
        }
    }

    fn take(&mut self, symbol: &'static str) -> TokenKind<'t> {
        self.at += symbol.len();
        TokenKind::Symbol(symbol)
    }

    fn slip(&self, written: &str, meant: &str) -> Diagnostic {
        let help = match written {
            "=" => "write `==` to compare; an expression cannot set a value".to_owned(),
            _ => format!("write `{meant}`"),
        };
        syntax(self.at, self.at + written.len(), format!("`{written}` is not an operator")).help(help).replace(meant)
    }

    /// A character that means nothing in an expression.
    fn strange(&self, first: char) -> Diagnostic {
        let end = self.at + first.len_utf8();
        if SMART_QUOTES.contains(&first) {
            return smart_quote(self.text, self.at);
        }
        if first.is_whitespace() || first.is_control() || matches!(first, '\u{200b}'..='\u{200f}' | '\u{feff}') {
            let message = format!("an invisible character, U+{:04X}, stands here", u32::from(first));
            return syntax(self.at, end, message).help("write a plain space").replace(" ");
        }
        if first.is_alphabetic() {
            return strange_name(self.text, self.at);
        }
        let error = syntax(self.at, end, format!("`{first}` means nothing in an expression"));
        match first {
            '#' => error.help("a comment inside an expression begins with `//`"),
            '`' => error.help("put text in straight quotes, `\"` or `'`"),
            _ => error,
        }
    }
}

/// Whether a name may begin with the character.
pub(super) fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Whether a name may contain the character after its first one.
pub(super) fn continues_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A name with letters that names may not have; the whole word is shown.
fn strange_name(text: &str, start: usize) -> Diagnostic {
    let rest = text.get(start..).unwrap_or("");
    let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let word = rest.get(..length).unwrap_or(rest);
    syntax(start, start + length, format!("`{word}` is not a name"))
        .help("names are made of `a` to `z`, `0` to `9` and `_`; text stands in quotes")
}

/// A text in typographic quotes; up to the closing one where there is one.
fn smart_quote(text: &str, start: usize) -> Diagnostic {
    let rest = text.get(start..).unwrap_or("");
    let is_quote = |c: char| SMART_QUOTES.contains(&c);
    let inner = rest.trim_start_matches(is_quote);
    let opening = rest.len() - inner.len();
    let Some(length) = inner.find(is_quote) else {
        return syntax(start, start + opening, "a typographic quote does not begin a text")
            .help("write straight quotes, `\"` or `'`");
    };
    let closing = inner.get(length..).and_then(|tail| tail.chars().next()).map_or(0, char::len_utf8);
    let content = inner.get(..length).unwrap_or("");
    let error = syntax(start, start + opening + length + closing, "typographic quotes do not make a text")
        .help(format!("write straight quotes: `\"{content}\"`"));
    match safe_quote(text) {
        Some(quote) if !content.contains([quote, '\\']) => error.replace(format!("{quote}{content}{quote}")),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
