//! Text into expressions: docs/expressions.md, "Grammar". One function for each line of it.

use unicode_normalization::UnicodeNormalization;

use super::super::super::story::Value;
use super::{Expr, Operator};

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Number(f64),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]", ",", ".",
    "{", "}",
];

pub fn parse(text: &str) -> Result<Expr, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, text: text.to_string() };
    let expression = reader.expression()?;
    if reader.at < reader.tokens.len() {
        return Err(reader.wrong("the end"));
    }
    Ok(expression)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let c = letters[at];
        let rest: String = letters[at..].iter().collect();
        if c.is_whitespace() {
            at += 1;
        } else if rest.starts_with("//") {
            at += rest.find('\n').map_or(letters.len(), |end| rest[..end].chars().count());
        } else if c.is_ascii_digit() || c == '.' && letters.get(at + 1).is_some_and(char::is_ascii_digit) {
            let (number, length) = number(&rest)?;
            found.push(Token::Number(number));
            at += length;
        } else if c == '"' || c == '\'' || (c == 'r' && matches!(letters.get(at + 1), Some('"' | '\''))) {
            let (words, length) = quoted(&letters[at..])?;
            found.push(Token::Text(words.nfc().collect()));
            at += length;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            at += name.len();
            found.push(Token::Name(name));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            at += sign.len();
            found.push(Token::Sign(sign));
        } else {
            return Err(format!("`{c}` has no meaning in `{text}`"));
        }
    }
    Ok(found)
}

/// `number = digits, [ ".", digits ], [ exponent ] | ".", digits, [ exponent ] | "0x", hexadecimal digits`
fn number(text: &str) -> Result<(f64, usize), String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let digits: String = digits.chars().take_while(char::is_ascii_hexdigit).collect();
        let value = u64::from_str_radix(&digits, 16).map_err(|e| e.to_string())?;
        return Ok((value as f64, digits.len() + 2));
    }
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    Ok((text[..end].parse::<f64>().map_err(|e| e.to_string())?, end))
}

/// A text in quotes: what it says, and how many letters it takes.
fn quoted(letters: &[char]) -> Result<(String, usize), String> {
    let raw = letters[0] == 'r';
    let mut at = usize::from(raw);
    let quote = letters[at];
    let width = if letters[at..].starts_with(&[quote; 3]) { 3 } else { 1 };
    let end = vec![quote; width];
    at += width;
    let mut words = String::new();
    loop {
        if letters[at..].starts_with(&end) {
            return Ok((words, at + width));
        }
        let Some(c) = letters.get(at) else { return Err("a text without its end".to_string()) };
        if *c == '\\' && !raw {
            let (letter, length) = escape(&letters[at + 1..])?;
            words.push(letter);
            at += 1 + length;
        } else {
            words.push(*c);
            at += 1;
        }
    }
}

fn escape(letters: &[char]) -> Result<(char, usize), String> {
    let coded = |digits: usize, radix: u32, skip: usize| {
        let code: String = letters.iter().skip(skip).take(digits).collect();
        let letter = u32::from_str_radix(&code, radix).ok().and_then(char::from_u32);
        letter.map(|c| (c, skip + digits)).ok_or_else(|| format!("`\\{code}` is not a letter"))
    };
    Ok(match letters.first() {
        Some('n') => ('\n', 1),
        Some('t') => ('\t', 1),
        Some('r') => ('\r', 1),
        Some('a') => ('\u{7}', 1),
        Some('b') => ('\u{8}', 1),
        Some('f') => ('\u{c}', 1),
        Some('v') => ('\u{b}', 1),
        Some(c @ ('\\' | '?' | '"' | '\'' | '`')) => (*c, 1),
        Some('x' | 'X') => coded(2, 16, 1)?,
        Some('u') => coded(4, 16, 1)?,
        Some('U') => coded(8, 16, 1)?,
        Some('0'..='7') => coded(3, 8, 0)?,
        other => return Err(format!("`\\{other:?}` has no meaning")),
    })
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    text: String,
}

impl Reader {
    fn wrong(&self, expected: &str) -> String {
        format!("expected {expected}, found {:?}, in `{}`", self.tokens.get(self.at), self.text)
    }

    fn next_is(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if *s == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.next_is(sign);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(self.wrong(sign)) }
    }

    /// `expression = or, [ "?", or, ":", expression ]`
    fn expression(&mut self) -> Result<Expr, String> {
        let test = self.or()?;
        if !self.take("?") {
            return Ok(test);
        }
        let a = self.or()?;
        self.need(":")?;
        let b = self.expression()?;
        Ok(Expr::Choice(Box::new(test), Box::new(a), Box::new(b)))
    }

    /// `or = and, { "||", and }`
    fn or(&mut self) -> Result<Expr, String> {
        let mut left = self.and()?;
        while self.take("||") {
            left = Expr::Binary(Operator::Or, Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    /// `and = relation, { "&&", relation }`
    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.relation()?;
        while self.take("&&") {
            left = Expr::Binary(Operator::And, Box::new(left), Box::new(self.relation()?));
        }
        Ok(left)
    }

    /// `relation = sum, { ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" ), sum }`
    fn relation(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        loop {
            let operator = match self.tokens.get(self.at) {
                Some(Token::Sign("==")) => Operator::Equal,
                Some(Token::Sign("!=")) => Operator::Unequal,
                Some(Token::Sign("<")) => Operator::Less,
                Some(Token::Sign("<=")) => Operator::LessOrEqual,
                Some(Token::Sign(">")) => Operator::Greater,
                Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
                Some(Token::Name(name)) if name == "in" => Operator::In,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.sum()?));
        }
    }

    /// `sum = product, { ( "+" | "-" ), product }`
    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let operator = match self.tokens.get(self.at) {
                Some(Token::Sign("+")) => Operator::Add,
                Some(Token::Sign("-")) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    /// `product = unary, { ( "*" | "/" | "%" ), unary }`
    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let operator = match self.tokens.get(self.at) {
                Some(Token::Sign("*")) => Operator::Multiply,
                Some(Token::Sign("/")) => Operator::Divide,
                Some(Token::Sign("%")) => Operator::Remainder,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    /// `unary = { "!" | "-" }, member`
    fn unary(&mut self) -> Result<Expr, String> {
        if self.take("!") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.take("-") {
            return Ok(Expr::Minus(Box::new(self.unary()?)));
        }
        self.member()
    }

    /// `member = primary, { ".", name, [ arguments ] }`
    ///
    /// A name with dots is one fact; `events`, `outcomes` and `consent` hold functions, every other call is on a value.
    fn member(&mut self) -> Result<Expr, String> {
        let mut on = self.primary()?;
        while self.take(".") {
            let Some(Token::Name(name)) = self.tokens.get(self.at).cloned() else { return Err(self.wrong("a name")) };
            self.at += 1;
            on = match (on, self.next_is("(")) {
                (Expr::Fact(home), true) if ["events", "outcomes", "consent"].contains(&home.as_str()) => {
                    Expr::Call(format!("{home}.{name}"), self.arguments()?)
                }
                (on, true) => Expr::Method(Box::new(on), name, self.arguments()?),
                (Expr::Fact(before), false) => Expr::Fact(format!("{before}.{name}")),
                (_, false) => return Err(self.wrong("a call")),
            };
        }
        Ok(on)
    }

    /// `primary = name, [ arguments ] | number | text | "true" | "false" | list | "(", expression, ")"`
    fn primary(&mut self) -> Result<Expr, String> {
        let Some(token) = self.tokens.get(self.at).cloned() else { return Err(self.wrong("a value")) };
        self.at += 1;
        match token {
            Token::Name(name) if name == "true" => Ok(Expr::Literal(Value::Flag(true))),
            Token::Name(name) if name == "false" => Ok(Expr::Literal(Value::Flag(false))),
            Token::Name(name) if self.next_is("(") => Ok(Expr::Call(name, self.arguments()?)),
            Token::Name(name) => Ok(Expr::Fact(name)),
            Token::Number(number) => Ok(Expr::Literal(Value::Number(number))),
            Token::Text(text) => Ok(Expr::Literal(Value::Text(text))),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Sign("[") => self.until("]").map(Expr::List),
            Token::Sign(_) => {
                self.at -= 1;
                Err(self.wrong("a value"))
            }
        }
    }

    /// `arguments = "(", [ expression, { ",", expression } ], ")"`
    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        self.need("(")?;
        self.until(")")
    }

    fn until(&mut self, end: &str) -> Result<Vec<Expr>, String> {
        let mut items = Vec::new();
        while !self.take(end) {
            if !items.is_empty() {
                self.need(",")?;
                if self.take(end) {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(items)
    }
}
