//! The expectations of a test, and how an answer differs from them: field by field, with the reason why the expected
//! action lost.

use std::fmt;

use super::given::Known;
use crate::domain::decide::{Chosen, Gate, Loser, SilenceReason};
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::Location;
use crate::domain::time::Moment;
use crate::domain::value::normal;
use crate::engine::DecisionRecord;
use crate::rules::code;
use crate::rules::fields::Fields;
use crate::rules::name_kind::NameKind;
use crate::rules::reader;
use crate::rules::source::{Node, NodeKind};
use crate::scenario::shape;

/// The expectations of a test.
#[derive(Debug, Clone, Default)]
pub(super) struct Expect {
    actions: Option<Vec<String>>,
    silence: Option<SilenceReason>,
    why_not: Vec<(String, Gate)>,
    text: Option<String>,
    retry_after: Option<Moment>,
}

/// One difference from the expectations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key under `expect`.
    pub field: &'static str,
    /// The expected value.
    pub expected: String,
    /// The actual value.
    pub got: String,
    /// The reasons: the gate, the place in the rules, and the change that would have helped.
    pub why: Vec<String>,
}

impl Expect {
    /// Reads `expect:`.
    pub fn read(node: &Node, known: Known<'_>) -> Option<Self> {
        let sink = known.sink;
        let fields = Fields::of(node, &shape::EXPECTATION, sink)?;
        let action =
            fields.may_with("action", |node| Some(vec![known.name(node, NameKind::Action, &known.rules.actions)?]));
        let actions = fields.may_with("actions", |node| {
            reader::every(
                reader::list(node, sink)?.iter().map(|item| known.name(item, NameKind::Action, &known.rules.actions)),
            )
        });
        if let (Some(_), Some(node)) = (fields.optional("action"), fields.optional("actions")) {
            let help = "keep `actions`: it says which, and in which order";
            reader::refuse::<()>(node.span, code::CONTRADICTION, "`action` and `actions`, both".into(), help, sink);
        }
        let silence = fields.may("silence");
        let why_not = fields.may_with("why_not", |node| match &node.kind {
            NodeKind::List(items) if items.is_empty() => {
                let help = "name an action and its gate, or remove `why_not`";
                reader::refuse(node.span, code::EMPTY_LIST, "an empty `why_not` expects nothing".into(), help, sink)
            }
            NodeKind::List(items) => reader::every(items.iter().map(|item| read_why_not(item, known))),
            _ => Some(vec![read_why_not(node, known)?]),
        });
        let text = fields.may("text");
        let retry_after = fields.may("retry_after");
        let expects_nothing =
            ["action", "actions", "silence", "why_not"].iter().all(|key| fields.optional(key).is_none());
        fields.finish();
        if expects_nothing {
            let help = "expect `action: ID`, `silence: REASON` or `why_not: {action: ID, gate: GATE}`";
            return reader::refuse(node.span, code::MISSING_KEY, "this expects nothing".into(), help, sink);
        }
        Some(Self {
            actions: actions?.or(action?),
            silence: silence?,
            why_not: why_not?.unwrap_or_default(),
            text: text?,
            retry_after: retry_after?,
        })
    }

    /// All differences of an answer from the expectations.
    pub fn differences(&self, record: &DecisionRecord) -> Vec<Difference> {
        let answer = Answer { record };
        let chosen = self.actions.as_ref().and_then(|wanted| answer.differs_in_actions(wanted));
        // Another action has another text, so a difference in text would be redundant.
        let text = self.text.as_ref().filter(|_| chosen.is_none()).and_then(|wanted| answer.differs_in_text(wanted));
        let silence = self.silence.and_then(|wanted| answer.differs_in_silence(wanted));
        let gates = self.why_not.iter().filter_map(|(action, gate)| answer.differs_in_gate(action, *gate));
        let again = self.retry_after.and_then(|wanted| answer.differs_in_retry(wanted));
        chosen.into_iter().chain(silence).chain(gates).chain(text).chain(again).collect()
    }
}

fn read_why_not(node: &Node, known: Known<'_>) -> Option<(String, Gate)> {
    let fields = Fields::of(node, &shape::WHY_NOT, known.sink)?;
    let action = fields.required("action").and_then(|node| known.name(node, NameKind::Action, &known.rules.actions));
    let gate = fields.need("gate");
    fields.finish();
    Some((action?, gate?))
}

/// An answer with all reasons.
struct Answer<'r> {
    record: &'r DecisionRecord,
}

impl<'r> Answer<'r> {
    fn differs_in_actions(&self, wanted: &[String]) -> Option<Difference> {
        let got: Vec<&str> = self.chosen().iter().map(|chosen| self.name(chosen)).collect();
        if got == wanted {
            return None;
        }
        let lost = wanted.iter().filter(|wanted| !got.contains(&wanted.as_str()));
        let why = lost.flat_map(|action| self.why(action)).collect();
        let expected = if wanted.is_empty() { "no action".to_owned() } else { wanted.join(", ") };
        let field = if wanted.len() == 1 { "action" } else { "actions" };
        Some(Difference { field, expected, got: self.to_string(), why })
    }

    fn differs_in_silence(&self, wanted: SilenceReason) -> Option<Difference> {
        let got = self.record.decision.silence.as_ref();
        if got.is_some_and(|silence| silence.reason == wanted) {
            return None;
        }
        let (expected, got) = (wanted.name().to_owned(), self.to_string());
        Some(Difference { field: "silence", expected, got, why: Vec::new() })
    }

    fn differs_in_gate(&self, action: &str, wanted: Gate) -> Option<Difference> {
        let loser = self.loser(action)?;
        if loser.gate == wanted {
            return None;
        }
        let expected = format!("`{action}` stops at `{}`", wanted.name());
        let mut why = self.why(action);
        let got = if why.is_empty() { "it was chosen".to_owned() } else { why.remove(0) };
        Some(Difference { field: "why_not", expected, got, why })
    }

    fn differs_in_text(&self, wanted: &str) -> Option<Difference> {
        let got = self.chosen().first().map_or("", |chosen| &*chosen.text);
        if normal(got) == normal(wanted) {
            return None;
        }
        let shown = |text: &str| if text.is_empty() { "no text".to_owned() } else { text.replace('\n', "⏎") };
        let (expected, got) = (shown(wanted), shown(got));
        let why = mark(&expected, &got).into_iter().collect();
        Some(Difference { field: "text", expected, got, why })
    }

    fn differs_in_retry(&self, wanted: Moment) -> Option<Difference> {
        let silence = self.record.decision.silence.as_ref();
        let got = silence.and_then(|silence| silence.retry_after);
        if got == Some(wanted) {
            return None;
        }
        let got = got.map_or_else(|| "no moment".to_owned(), |got| got.to_string());
        Some(Difference { field: "retry_after", expected: wanted.to_string(), got, why: Vec::new() })
    }

    /// Why an action was not chosen: what stopped it, where that is defined, and the change that would have helped.
    fn why(&self, action: &str) -> Vec<String> {
        let Some(loser) = self.loser(action).filter(|loser| loser.gate != Gate::Chosen) else { return Vec::new() };
        let stopped = format!("`{action}` stopped at `{}`: {}", loser.gate.name(), loser.reason);
        let place = full_path(&loser.rule, &self.record.rules).to_string();
        let flip = loser.flip.as_ref().map(|flip| format!("it would be chosen {flip}"));
        [stopped, place].into_iter().chain(flip).collect()
    }

    fn loser(&self, action: &str) -> Option<&'r Loser> {
        let candidates = &self.record.explanation()?.candidates;
        candidates.iter().find(|loser| self.record.rules.vocabulary.name(loser.action) == action)
    }

    fn chosen(&self) -> &'r [Chosen] {
        &self.record.decision.actions
    }

    fn name(&self, chosen: &Chosen) -> &'r str {
        self.record.rules.vocabulary.name(chosen.action)
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(silence) = &self.record.decision.silence {
            return write!(f, "silence ({}): {}", silence.reason.name(), silence.detail);
        }
        let points = |chosen: &Chosen| format!("{} ({:.1} points)", self.name(chosen), chosen.score.total);
        f.write_str(&self.chosen().iter().map(points).collect::<Vec<_>>().join(", "))
    }
}

/// A place in the rules, with the path as given by the user.
fn full_path(place: &Location, rules: &RuleSet) -> Location {
    let file = rules.places.paths().find(|path| rules.places.relative(path) == place.file);
    Location { file: file.unwrap_or(&place.file).to_owned(), ..place.clone() }
}

/// Marks, under the second text, where it differs from the first, if the two are mostly equal.
fn mark(expected: &str, got: &str) -> Option<String> {
    let (expected, got): (Vec<char>, Vec<char>) = (expected.chars().collect(), got.chars().collect());
    let same = |(a, b): &(&char, &char)| a == b;
    let before = expected.iter().zip(&got).take_while(same).count();
    let shorter = expected.len().min(got.len());
    let behind = expected.iter().rev().zip(got.iter().rev()).take_while(same).count().min(shorter - before);
    let other = got.len() - before - behind;
    (2 * (before + behind) >= shorter).then(|| " ".repeat(before) + &"^".repeat(other.max(1)))
}

#[cfg(test)]
mod tests {
    use super::mark;

    #[test]
    fn marks_what_differs() {
        let cases = [
            ("it costs what dsl costs", "it costs what fibre costs", Some("              ^^^^^")),
            ("shorter by a word", "shorter by word", Some("           ^")),
            ("aa", "aaa", Some("  ^")),
            ("ü and more", "ö and more", Some("^")),
            ("one thing", "another story", None),
        ];
        for (expected, got, marks) in cases {
            assert_eq!(mark(expected, got).as_deref(), marks, "{expected} / {got}");
        }
    }
}
