//! Parses an expression: CEL syntax (cel.dev, language definition, section "Syntax"), a documented subset.
//!
//! Operators are parsed by binding power. The resulting tree is bounded: at most [`MAX_NODES`] nodes and [`MAX_HEIGHT`]
//! levels, so that a recursive walk is safe. Chains of `&&` and `||` become balanced trees, which changes neither their
//! value nor their order. Left out on purpose: `null`, bytes, unsigned numbers, indexing, map and message literals.
//! Names and types are left to the checker; `mistake` has the messages for wrong tokens.

mod mistake;

use super::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};
use super::lexer::{Token, TokenKind, local, local_span, tokens};
use crate::domain::sources::Span;
use crate::rules::code::EXPRESSION_TOO_COSTLY;
use crate::rules::diagnostic::Diagnostic;

/// The longest expression, in bytes.
pub const MAX_BYTES: usize = 2_048;
/// How deep brackets, calls and `?:` may nest.
pub const MAX_NESTING: u32 = 32;
/// How many nodes the tree may have.
pub const MAX_NODES: u32 = 512;
/// How many levels the tree may have.
pub const MAX_HEIGHT: u32 = 128;

/// Parses `text`; `place` carries a byte range of `text` over to the rule file.
///
/// A replacement is offered only where `place` is exact and the corrected text still is one YAML scalar.
///
/// # Errors
/// The first mistake, with a T02xx code.
pub fn parse(text: &str, place: &impl Fn(usize, usize) -> Span) -> Result<Expr, Diagnostic> {
    parse_local(text, place).map_err(|problem| settle(problem, place))
}

fn parse_local(text: &str, place: &impl Fn(usize, usize) -> Span) -> Result<Expr, Diagnostic> {
    if text.len() > MAX_BYTES {
        let message = format!("this expression is {} bytes long, more than {MAX_BYTES}", text.len());
        return Err(too_costly((0, text.len()), message));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, next: 0, nesting: 0, nodes: 0, place };
    if parser.peek() == &TokenKind::End {
        return Err(mistake::empty(text));
    }
    let built = parser.expression()?;
    match parser.peek() {
        TokenKind::End => Ok(built.expr),
        _ => Err(parser.unexpected(None)),
    }
}

/// Carries a diagnostic from the expression's own text over to the rule file.
fn settle(mut problem: Diagnostic, place: &impl Fn(usize, usize) -> Span) -> Diagnostic {
    let carry = |span: Span| place(span.start as usize, span.end as usize);
    let local = problem.span;
    problem.span = carry(local);
    let exact = problem.span.end.checked_sub(problem.span.start) == local.end.checked_sub(local.start);
    let begins_value = |text: &String| local.start == 0 && text.starts_with(['!', '"', '\'', '&', '|', '>', '[', '{']);
    problem.replacement = problem.replacement.filter(|text| exact && !begins_value(text));
    problem.related = problem.related.map(|(span, note)| (carry(span), note));
    problem
}

/// A subexpression with its byte range in the text and its height.
struct Built {
    expr: Expr,
    start: usize,
    end: usize,
    height: u32,
}

/// An operator whose right operand is not yet complete.
struct Pending {
    left: Built,
    operator: BinaryOperator,
    power: u8,
}

type Parsed = Result<Built, Diagnostic>;

/// The state of the parser.
struct Parser<'t, P> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
    nesting: u32,
    nodes: u32,
    place: &'t P,
}

impl<'t, P: Fn(usize, usize) -> Span> Parser<'t, P> {
    /// `a ? b : c`, or anything that binds tighter.
    fn expression(&mut self) -> Parsed {
        self.enter()?;
        let condition = self.operation()?;
        let built = if self.accept("?") { self.conditional(condition)? } else { condition };
        self.nesting -= 1;
        Ok(built)
    }

    fn conditional(&mut self, condition: Built) -> Parsed {
        let then = self.operation()?;
        if !self.accept(":") {
            return Err(self.missing_colon(&condition));
        }
        let otherwise = self.expression()?;
        let range = (condition.start, otherwise.end);
        let height = condition.height.max(then.height).max(otherwise.height);
        let kind = ExprKind::Conditional(Box::new(condition.expr), Box::new(then.expr), Box::new(otherwise.expr));
        self.node(range, kind, height)
    }

    /// Values with binary operators between them. Left operands are kept on a list until an operator that binds less
    /// completes the right one, so only brackets and `?:` cost stack.
    fn operation(&mut self) -> Parsed {
        let mut waiting = Vec::new();
        let mut current = self.unary()?;
        while let Some((operator, power)) = self.operator() {
            current = self.fold(&mut waiting, current, power + 1)?;
            self.refuse_chained_order(waiting.last(), &current, operator)?;
            current = self.fold(&mut waiting, current, power)?;
            waiting.push(Pending { left: current, operator, power });
            self.advance();
            current = self.unary()?;
        }
        self.fold(&mut waiting, current, 0)
    }

    /// Joins what binds at least as tightly as `least`; a chain of `&&` or `||` waits for its end.
    fn fold(&mut self, waiting: &mut Vec<Pending>, mut current: Built, least: u8) -> Parsed {
        let chains = |operator| matches!(operator, BinaryOperator::And | BinaryOperator::Or);
        while let Some(last) =
            waiting.pop_if(|last| last.power > least || last.power == least && !chains(last.operator))
        {
            let mut lefts = vec![last.left];
            while let Some(earlier) = waiting.pop_if(|next| next.operator == last.operator && chains(next.operator)) {
                lefts.push(earlier.left);
            }
            lefts.reverse();
            current = self.balance(last.operator, lefts, current)?;
        }
        Ok(current)
    }

    /// `a && b && c && d` as `(a && b) && (c && d)`: flat text must not make a deep tree.
    fn balance(&mut self, operator: BinaryOperator, mut lefts: Vec<Built>, mut last: Built) -> Parsed {
        while !lefts.is_empty() {
            let mut halves = Vec::with_capacity(lefts.len() / 2);
            let mut rest = lefts.into_iter();
            while let Some(left) = rest.next() {
                match rest.next() {
                    Some(right) => halves.push(self.join(operator, left, right)?),
                    None => last = self.join(operator, left, last)?,
                }
            }
            lefts = halves;
        }
        Ok(last)
    }

    fn join(&mut self, operator: BinaryOperator, left: Built, right: Built) -> Parsed {
        let height = left.height.max(right.height);
        let range = (left.start, right.end);
        self.node(range, ExprKind::Binary(operator, Box::new(left.expr), Box::new(right.expr)), height)
    }

    fn unary(&mut self) -> Parsed {
        let mut signs = Vec::new();
        while let Some(operator) = self.sign() {
            signs.push((operator, self.here().0));
            self.advance();
        }
        let mut built = match (self.peek(), signs.last()) {
            (&TokenKind::Number(value), Some(&(UnaryOperator::Negate, start))) => {
                signs.pop();
                self.negative(start, value)?
            }
            _ => self.member()?,
        };
        while let Some((operator, start)) = signs.pop() {
            let (end, height) = (built.end, built.height);
            built = self.node((start, end), ExprKind::Unary(operator, Box::new(built.expr)), height)?;
        }
        Ok(built)
    }

    fn sign(&self) -> Option<UnaryOperator> {
        match self.peek() {
            TokenKind::Symbol("!") => Some(UnaryOperator::Not),
            TokenKind::Symbol("-") => Some(UnaryOperator::Negate),
            _ => None,
        }
    }

    /// `-3` is one literal, as in CEL; `-0` is 0.
    fn negative(&mut self, start: usize, value: f64) -> Parsed {
        let end = self.here().1;
        self.advance();
        let value = if value == 0.0 { 0.0 } else { -value };
        let number = self.node((start, end), ExprKind::Number(value), 0)?;
        self.members(number)
    }

    fn member(&mut self) -> Parsed {
        let value = self.primary()?;
        self.members(value)
    }

    /// What follows a value: `.name`, `.name(...)`.
    fn members(&mut self, mut value: Built) -> Parsed {
        loop {
            match self.peek() {
                TokenKind::Symbol(".") => value = self.select(value)?,
                TokenKind::Symbol("[") => return Err(self.index()),
                TokenKind::Symbol("{") => return Err(self.braces()),
                _ => return Ok(value),
            }
        }
    }

    fn select(&mut self, target: Built) -> Parsed {
        self.advance();
        let (name, start, end) = self.member_name()?;
        if matches!(self.peek(), TokenKind::Symbol("(")) {
            return self.call(Some(target), name, (start, end));
        }
        let (from, height) = (target.start, target.height);
        let name_span = (self.place)(start, end);
        self.node((from, end), ExprKind::Select(Box::new(target.expr), name.to_owned(), name_span), height)
    }

    fn call(&mut self, target: Option<Built>, name: &str, at: (usize, usize)) -> Parsed {
        let (arguments, mut height) = self.list_until(")")?;
        let start = target.as_ref().map_or(at.0, |target| target.start);
        height = height.max(target.as_ref().map_or(0, |target| target.height));
        let kind = ExprKind::Call {
            target: target.map(|target| Box::new(target.expr)),
            function: name.to_owned(),
            function_span: (self.place)(at.0, at.1),
            arguments,
        };
        let end = self.behind();
        self.node((start, end), kind, height)
    }

    /// Expressions between brackets; the opening one is the next token. Returns the greatest height.
    fn list_until(&mut self, closing: &'static str) -> Result<(Vec<Expr>, u32), Diagnostic> {
        let opening = self.here();
        self.advance();
        let (mut items, mut height) = (Vec::new(), 0);
        let mut more = !self.accept(closing);
        while more {
            let item = self.expression()?;
            height = height.max(item.height);
            items.push(item.expr);
            more = self.accept(",");
            if !more {
                self.expect(closing, opening)?;
            } else if closing == "]" && self.accept(closing) {
                more = false;
            }
        }
        Ok((items, height))
    }

    fn primary(&mut self) -> Parsed {
        let (start, end) = self.here();
        let kind = match self.peek() {
            TokenKind::Number(value) => ExprKind::Number(*value),
            TokenKind::Text(value) => ExprKind::Text(value.clone()),
            TokenKind::Name(name) => return self.name(name),
            TokenKind::Symbol("[") => return self.list(),
            TokenKind::Symbol("(") => return self.parenthesised(),
            TokenKind::Symbol("{") => return Err(self.braces()),
            _ => return Err(self.missing_operand()),
        };
        self.advance();
        self.node((start, end), kind, 0)
    }

    fn list(&mut self) -> Parsed {
        let start = self.here().0;
        let (items, height) = self.list_until("]")?;
        let end = self.behind();
        self.node((start, end), ExprKind::List(items), height)
    }

    fn parenthesised(&mut self) -> Parsed {
        let opening = self.here();
        self.advance();
        let inner = self.expression()?;
        let end = self.expect(")", opening)?;
        let expr = Expr { span: (self.place)(opening.0, end), ..inner.expr };
        Ok(Built { expr, start: opening.0, end, height: inner.height })
    }

    fn name(&mut self, name: &'t str) -> Parsed {
        let at = self.here();
        self.refuse_word(name)?;
        self.advance();
        if matches!(self.peek(), TokenKind::Symbol("(")) {
            return self.call(None, name, at);
        }
        let kind = match name {
            "true" => ExprKind::Flag(true),
            "false" => ExprKind::Flag(false),
            _ => ExprKind::Name(name.to_owned()),
        };
        self.node(at, kind, 0)
    }

    /// Every node is created here, so that the limits hold.
    fn node(&mut self, range: (usize, usize), kind: ExprKind, below: u32) -> Parsed {
        self.nodes += 1;
        let height = below + 1;
        if self.nodes > MAX_NODES {
            return Err(too_costly(range, format!("this expression has more than {MAX_NODES} parts")));
        }
        if height > MAX_HEIGHT {
            return Err(too_costly(range, format!("this expression is more than {MAX_HEIGHT} operators deep")));
        }
        let expr = Expr { span: (self.place)(range.0, range.1), kind };
        Ok(Built { expr, start: range.0, end: range.1, height })
    }

    fn enter(&mut self) -> Result<(), Diagnostic> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(too_costly(self.here(), format!("this expression nests more than {MAX_NESTING} levels deep")));
        }
        Ok(())
    }

    /// Moves past a closing bracket and returns the offset after it.
    fn expect(&mut self, closing: &'static str, opening: (usize, usize)) -> Result<usize, Diagnostic> {
        if self.accept(closing) { Ok(self.behind()) } else { Err(self.unexpected(Some((closing, opening)))) }
    }

    fn accept(&mut self, symbol: &'static str) -> bool {
        let found = self.peek() == &TokenKind::Symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn operator(&self) -> Option<(BinaryOperator, u8)> {
        match self.peek() {
            TokenKind::Symbol(symbol) => power(symbol),
            TokenKind::Name("in") => power("in"),
            _ => None,
        }
    }

    fn peek(&self) -> &TokenKind<'t> {
        self.token(self.next).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn token(&self, place: usize) -> Option<&Token<'t>> {
        self.tokens.get(place)
    }

    /// Byte range of the next token.
    fn here(&self) -> (usize, usize) {
        self.token(self.next).map_or((self.text.len(), self.text.len()), |token| (token.start, token.end))
    }

    /// The offset behind the last token read.
    fn behind(&self) -> usize {
        self.next.checked_sub(1).and_then(|last| self.token(last)).map_or(0, |token| token.end)
    }

    fn advance(&mut self) {
        self.next += 1;
    }
}

/// How tightly a binary operator binds (CEL language definition, table of operators).
fn power(symbol: &str) -> Option<(BinaryOperator, u8)> {
    Some(match symbol {
        "||" => (BinaryOperator::Or, 1),
        "&&" => (BinaryOperator::And, 2),
        "==" => (BinaryOperator::Equal, 3),
        "!=" => (BinaryOperator::NotEqual, 3),
        "<" => (BinaryOperator::Less, 3),
        "<=" => (BinaryOperator::LessOrEqual, 3),
        ">" => (BinaryOperator::Greater, 3),
        ">=" => (BinaryOperator::GreaterOrEqual, 3),
        "in" => (BinaryOperator::In, 3),
        "+" => (BinaryOperator::Add, 4),
        "-" => (BinaryOperator::Subtract, 4),
        "*" => (BinaryOperator::Multiply, 5),
        "/" => (BinaryOperator::Divide, 5),
        "%" => (BinaryOperator::Remainder, 5),
        _ => return None,
    })
}

fn too_costly(range: (usize, usize), message: String) -> Diagnostic {
    local(EXPRESSION_TOO_COSTLY, range.0, range.1, message)
        .help("split it: a condition is a list, and all its entries must hold")
}

#[cfg(test)]
mod tests;
