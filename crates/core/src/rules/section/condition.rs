//! Conditions: a list in which all must hold, with `any:`, `all:` and `none:` inside.

use crate::domain::model::Condition;

use crate::domain::expr::FactTable;
use crate::rules::expr::{self, Scope};
use crate::rules::source::{Entry, Node, NodeKind};
use crate::rules::{code, reader};

/// Reads a list of conditions.
pub fn read_list(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Vec<Condition>> {
    let items: Vec<Option<Condition>> = reader::list(node, scope.sink)?
        .iter()
        .take_while(|_| !scope.sink.is_full())
        .map(|item| read(item, scope, facts))
        .collect();
    items.into_iter().collect()
}

/// Reads one condition: an expression, or a map with `any:`, `all:` or `none:`.
pub fn read(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Condition> {
    match &node.kind {
        NodeKind::Map(entries) => match entries.as_slice() {
            [entry] => nested(entry, scope, facts),
            _ => {
                let help = "write `- any:`, `- all:` or `- none:` with a list under it, each in an item of its own";
                reader::refuse(
                    node.span,
                    code::WRONG_TYPE,
                    "a condition has one of `any`, `all`, `none`".into(),
                    help,
                    scope.sink,
                )
            }
        },
        _ => expr::compile(node, scope, facts).map(Condition::Expression),
    }
}

fn nested(entry: &Entry, scope: Scope<'_>, facts: &mut FactTable) -> Option<Condition> {
    let span = entry.key.span;
    let make = match entry.key.text.as_str() {
        "all" => Condition::All,
        "any" => Condition::Any,
        "none" => Condition::None,
        _ => return reader::unknown(entry.key.spanned(), "group of conditions", ["all", "any", "none"], scope.sink),
    };
    let parts = read_list(&entry.value, scope, facts)?;
    if parts.is_empty() {
        let message = format!("`{}` of nothing", entry.key.text);
        return reader::refuse(span, code::EMPTY_LIST, message, "list the conditions, or remove it", scope.sink);
    }
    Some(make(parts, span))
}
