//! Texts with facts in them: `Your {customer.contract|plan} is ready.`

use crate::domain::expr::{FactTable, Node as Program};
use crate::domain::model::Template;
use crate::rules::expr::ast::{Expr, ExprKind};
use crate::rules::expr::{self, Scope};
use crate::rules::source::Node;
use crate::rules::{code, reader};

/// Reads a template; every fact in it must be readable for the scope's purpose.
pub fn read(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Template> {
    let written = reader::text(node, scope.sink)?;
    let mut template = Template::default();
    let mut rest = 0;
    while let Some(open) = written.get(rest..).and_then(|text| text.find('{')).map(|at| at + rest) {
        template.push_text(written.get(rest..open).unwrap_or(""));
        let Some(close) = written.get(open..).and_then(|text| text.find('}')).map(|at| at + open) else {
            let help = "close it: `{customer.contract}`";
            let span = scope.place(node, open, written.len());
            return reader::refuse(span, code::BAD_TEMPLATE, "`{` without `}`".into(), help, scope.sink);
        };
        let inside = Inside { text: written.get(open + 1..close).unwrap_or(""), node, start: open + 1 };
        push_fact(&mut template, &inside, scope, facts)?;
        rest = close + 1;
    }
    template.push_text(written.get(rest..).unwrap_or(""));
    Some(template)
}

/// The content of a pair of braces.
struct Inside<'n> {
    text: &'n str,
    node: &'n Node,
    /// Where it starts in the node's text, in bytes.
    start: usize,
}

fn push_fact(template: &mut Template, inside: &Inside<'_>, scope: Scope<'_>, facts: &mut FactTable) -> Option<()> {
    let Inside { text, node, start } = inside;
    let (name, otherwise) = match text.split_once('|') {
        Some((name, words)) => (name.trim(), Some(words.to_owned())),
        None => (text.trim(), None),
    };
    let span = scope.place(node, *start, start + text.len());
    let plain = !name.is_empty()
        && name.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'));
    if !plain {
        let help = "put a fact between the braces: `{customer.contract}` or `{customer.contract|your plan}`";
        return reader::refuse(span, code::BAD_TEMPLATE, format!("`{text}` is not a fact"), help, scope.sink);
    }
    let mut names = name.split('.');
    let first = Expr { span, kind: ExprKind::Name(names.next().unwrap_or("").to_owned()) };
    let tree =
        names.fold(first, |inner, name| Expr { span, kind: ExprKind::Select(Box::new(inner), name.to_owned(), span) });
    let Program::Fact(id) = expr::check(&tree, node.span, scope, facts)?.node else { return None };
    let sensitivity = facts.get(id).map_or(0.0, |entry| entry.sensitivity);
    template.push_fact(id, name, otherwise, sensitivity);
    Some(())
}
