//! Conditions: a list in which all must hold, with `any:`, `all:` and `none:` inside.

use std::borrow::Cow;

use crate::domain::expr::{Course, Facts, Program, Values, evaluate, possible};
use crate::domain::sources::Span;
use crate::domain::value::{Possible, Truth};

/// A condition with its place.
#[derive(Debug, Clone)]
pub enum Condition {
    /// One expression.
    Expression(Program),
    /// All must hold.
    All(Vec<Self>, Span),
    /// One must hold.
    Any(Vec<Self>, Span),
    /// None may hold.
    None(Vec<Self>, Span),
}

/// The result of a condition, and the sensitivity of the facts that decide it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// Whether it holds.
    pub truth: Truth,
    /// The highest sensitivity among the facts that decide the result.
    pub sensitivity: f64,
}

/// What a condition can come to in an interval of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prospect {
    /// The truths that it can have.
    pub truth: Possible,
    /// The least sensitivity of the facts that decide it, where it holds.
    pub least: f64,
    /// The highest.
    pub most: f64,
}

impl Condition {
    /// Where it is written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Expression(program) => program.span,
            Self::All(_, span) | Self::Any(_, span) | Self::None(_, span) => *span,
        }
    }

    /// Evaluates the condition.
    ///
    /// Of several true branches under `any`, the least personal one counts.
    pub fn evaluate(&self, facts: &impl Facts) -> Finding {
        match self {
            Self::Expression(program) => {
                Finding { truth: evaluate(&program.node, facts).truth(), sensitivity: program.sensitivity }
            }
            Self::All(parts, _) => all(parts, facts),
            Self::Any(parts, _) => any(parts, facts),
            Self::None(parts, _) => {
                let found = any(parts, facts);
                let sensitivity = parts.iter().map(Self::most_sensitive).fold(0.0, f64::max);
                Finding { truth: found.truth.not(), sensitivity }
            }
        }
    }

    /// What the condition can come to in an interval.
    pub fn prospect(&self, course: &impl Course) -> Prospect {
        let now = self.evaluate(course.first());
        if now.truth != Truth::Unknown && course.stays() {
            return Prospect { truth: now.truth.into(), least: now.sensitivity, most: now.sensitivity };
        }
        let of_parts = |parts: &[Self]| parts.iter().map(|part| part.prospect(course)).collect::<Vec<_>>();
        match self {
            Self::Expression(program) => {
                let truth = possible(&program.node, course);
                Prospect { truth, least: program.sensitivity, most: program.sensitivity }
            }
            Self::All(parts, _) => of_parts(parts).into_iter().fold(
                Prospect { truth: Possible::TRUE, least: 0.0, most: 0.0 },
                |all, part| {
                    let truth = all.truth.and(part.truth);
                    Prospect { truth, least: all.least.max(part.least), most: all.most.max(part.most) }
                },
            ),
            Self::Any(parts, _) => {
                let parts = of_parts(parts);
                let truth = parts.iter().fold(Possible::TRUE.not(), |any, part| any.or(part.truth));
                let can = || parts.iter().filter(|part| part.truth.holds);
                let sure = can().filter(|part| part.truth.is_sure()).map(|part| part.most).reduce(f64::min);
                let most = sure.unwrap_or_else(|| can().map(|part| part.most).fold(0.0, f64::max));
                Prospect { truth, least: can().map(|part| part.least).reduce(f64::min).unwrap_or(0.0), most }
            }
            Self::None(parts, _) => {
                let truth = parts.iter().fold(Possible::TRUE, |none, part| none.and(part.prospect(course).truth.not()));
                Prospect { truth, least: self.most_sensitive(), most: self.most_sensitive() }
            }
        }
    }

    /// Whether it reads the same facts with the same values at every moment of an interval.
    pub fn is_steady(&self, course: &impl Course) -> bool {
        let mut steady = true;
        self.visit(&mut |program| {
            program.node.visit_facts(&mut |id| steady = steady && matches!(course.values(id), Values::One(_)));
        });
        steady
    }

    /// The source text, for explanations.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let join = |parts: &[Self]| parts.iter().map(Self::text).collect::<Vec<_>>().join("; ");
        Cow::Owned(match self {
            Self::Expression(program) => return Cow::Borrowed(&program.text),
            Self::All(parts, _) => format!("all of: {}", join(parts)),
            Self::Any(parts, _) => format!("any of: {}", join(parts)),
            Self::None(parts, _) => format!("none of: {}", join(parts)),
        })
    }

    /// Appends a key to the text: conditions of one purpose with equal keys mean the same.
    pub fn write_key(&self, key: &mut String) {
        let (group, parts) = match self {
            Self::Expression(program) => return key.push_str(&program.text),
            Self::All(parts, _) => ("\0all", parts),
            Self::Any(parts, _) => ("\0any", parts),
            Self::None(parts, _) => ("\0none", parts),
        };
        key.push_str(group);
        for part in parts {
            key.push('\0');
            part.write_key(key);
        }
        key.push_str("\0end");
    }

    /// Visits every expression inside.
    pub fn visit(&self, visit: &mut impl FnMut(&Program)) {
        match self {
            Self::Expression(program) => visit(program),
            Self::All(parts, _) | Self::Any(parts, _) | Self::None(parts, _) => {
                parts.iter().for_each(|part| part.visit(visit));
            }
        }
    }

    /// The sensitivity of the facts that decide it, if that is the same whenever it holds.
    #[must_use]
    pub fn constant_sensitivity(&self) -> Option<f64> {
        match self {
            Self::Expression(_) | Self::None(..) => Some(self.most_sensitive()),
            Self::All(parts, _) => {
                parts.iter().try_fold(0.0_f64, |most, part| Some(most.max(part.constant_sensitivity()?)))
            }
            Self::Any(..) => None,
        }
    }

    /// The highest sensitivity among its facts.
    #[must_use]
    pub fn most_sensitive(&self) -> f64 {
        let mut most = 0.0_f64;
        self.visit(&mut |program| most = most.max(program.sensitivity));
        most
    }
}

/// Whether all hold; every part counts for the sensitivity.
pub fn all(parts: &[Condition], facts: &impl Facts) -> Finding {
    let mut result = Finding { truth: Truth::True, sensitivity: 0.0 };
    for part in parts {
        let found = part.evaluate(facts);
        result.truth = result.truth.and(found.truth);
        result.sensitivity = result.sensitivity.max(found.sensitivity);
        if result.truth == Truth::False {
            break;
        }
    }
    result
}

fn any(parts: &[Condition], facts: &impl Facts) -> Finding {
    let mut result = Finding { truth: Truth::False, sensitivity: f64::INFINITY };
    for part in parts {
        let found = part.evaluate(facts);
        result.truth = result.truth.or(found.truth);
        if found.truth.holds() {
            result.sensitivity = result.sensitivity.min(found.sensitivity);
        }
    }
    if !result.sensitivity.is_finite() {
        result.sensitivity = 0.0;
    }
    result
}
