//! What could become of a condition if personal facts that are withheld were known: the decisions of 30 November 2026,
//! S4.

use super::super::view::View;
use super::evaluate::{evaluate, truth};
use super::{Condition, Expr, Operator};

/// Whether a part can become true, and whether it can become false.
#[derive(Debug, Clone, Copy)]
pub struct Possible {
    pub yes: bool,
    pub no: bool,
}

/// Whether some values of the personal facts in it could make the condition true.
pub fn possible(condition: &Condition, view: &View) -> bool {
    of_condition(condition, view).yes
}

fn of_condition(condition: &Condition, view: &View) -> Possible {
    let each = |entries: &[Condition]| -> Vec<Possible> { entries.iter().map(|c| of_condition(c, view)).collect() };
    match condition {
        Condition::One(expression) => of_expression(expression, view),
        Condition::All(entries) => all(&each(entries)),
        Condition::Any(entries) => any(&each(entries)),
        Condition::None(entries) => not(any(&each(entries))),
    }
}

fn all(parts: &[Possible]) -> Possible {
    Possible { yes: parts.iter().all(|part| part.yes), no: parts.iter().any(|part| part.no) }
}

fn any(parts: &[Possible]) -> Possible {
    Possible { yes: parts.iter().any(|part| part.yes), no: parts.iter().all(|part| part.no) }
}

fn not(part: Possible) -> Possible {
    Possible { yes: part.no, no: part.yes }
}

/// Kleene's logic throughout. A comparison, call or `?:` that is unknown can become either if it reads at least one unknown
/// personal fact and no unknown one that is not personal; else it can become neither (S4b).
fn of_expression(expression: &Expr, view: &View) -> Possible {
    let of = |part: &Expr| of_expression(part, view);
    match expression {
        Expr::Not(x) => not(of(x)),
        Expr::Binary(Operator::And, a, b) => all(&[of(a), of(b)]),
        Expr::Binary(Operator::Or, a, b) => any(&[of(a), of(b)]),
        _ => match truth(&Condition::One(expression.clone()), view) {
            Some(known) => Possible { yes: known, no: !known },
            None => {
                let unknown: Vec<&Expr> =
                    read(expression, view).into_iter().filter(|p| evaluate(p, view).is_none()).collect();
                let open = unknown.iter().any(|part| view.is_personal(part));
                let closed = unknown.iter().any(|part| !view.is_personal(part) && is_named(part));
                Possible { yes: open && !closed, no: open && !closed }
            }
        },
    }
}

/// The parts whose values are read: a history is one, whatever its filter reads; what comes out the same whatever the facts
/// reads none.
fn read<'e>(expression: &'e Expr, view: &View) -> Vec<&'e Expr> {
    match expression {
        _ if view.is_constant(expression) => Vec::new(),
        Expr::Call(name, _) if name.starts_with("events.") => vec![expression],
        _ => {
            let inner = expression.inner().into_iter().flat_map(|part| read(part, view));
            std::iter::once(expression).chain(inner).collect()
        }
    }
}

/// A fact by its name; `event.x` and what `exists` binds are none.
fn is_named(part: &Expr) -> bool {
    matches!(part, Expr::Fact(name) if name.starts_with("context.") || name.starts_with("customer."))
}

/// Whether the text needs a fact that is unknown and not personal (S4).
pub fn lacks_open_fact(fact: &Expr, view: &View) -> bool {
    !view.is_personal(fact) && evaluate(fact, view).is_none()
}
