//! `policy.lints:` a team's own checks of every action, evaluated when the rules are checked.

use crate::domain::expr::{Fact, FactTable};
use crate::domain::model::Condition;
use crate::domain::sources::Span;
use crate::rules::diagnostic::Severity;
use crate::rules::expr::Scope;
use crate::rules::fields::Fields;
use crate::rules::reader;
use crate::rules::section::condition;
use crate::rules::sink::Sink;
use crate::rules::source::Node;
use crate::rules::{code, shape};

/// The lints of a policy, with the properties of actions that they read.
#[derive(Debug, Clone, Default)]
pub struct Lints {
    /// The facts they read.
    pub facts: FactTable,
    /// The lints, in order.
    pub list: Vec<PolicyLint>,
}

/// One lint.
#[derive(Debug, Clone)]
pub struct PolicyLint {
    /// The condition under which the lint reports an action.
    pub when: Condition,
    /// The message.
    pub message: String,
    /// Whether such rules still load.
    pub severity: Severity,
    /// Where it is written.
    pub span: Span,
}

/// Reads the lints of the policy.
pub fn read(node: &Node, scope: Scope<'_>) -> Option<Lints> {
    let mut facts = FactTable::default();
    let scope = Scope { about_action: true, ..scope };
    let list: Vec<Option<PolicyLint>> =
        reader::list(node, scope.sink)?.iter().map(|item| read_one(item, scope, &mut facts)).collect();
    Some(Lints { list: list.into_iter().collect::<Option<_>>()?, facts })
}

fn read_one(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<PolicyLint> {
    let fields = Fields::of(node, &shape::LINT, scope.sink)?;
    let when = fields.required("when").and_then(|node| {
        let when = condition::read(node, scope, facts)?;
        about_actions(&when, node.span, scope.sink, facts).map(|()| when)
    });
    let message = fields.need("message");
    let severity = fields.may("severity");
    fields.finish();
    Some(PolicyLint {
        when: when?,
        message: message?,
        severity: severity?.unwrap_or(Severity::Warning),
        span: node.span,
    })
}

/// Refuses functions over a customer's history: a lint has no customer.
fn about_actions(when: &Condition, span: Span, sink: &Sink, facts: &FactTable) -> Option<()> {
    let mut foreign = false;
    when.visit(&mut |program| {
        program.node.visit_facts(&mut |id| {
            foreign |= !matches!(facts.get(id).map(|entry| &entry.fact), Some(Fact::Action(_)));
        });
    });
    if !foreign {
        return Some(());
    }
    let help = "read `action.kind`, `action.worth` and the like: a lint looks at the rules, not at customers";
    reader::refuse(span, code::EXPRESSION_NOT_HERE, "there is no customer here".into(), help, sink)
}
