//! The moments that an answer names: docs/rules.md, "Silence". What they promise is held against what is answered at
//! other moments, if nothing is recorded until then.

use super::super::story::{Answer, Question, Silence};
use super::rules::DAY;
use super::{Model, quiet};

/// Into how many parts the time up to a moment is divided, to ask in between.
const PARTS: i64 = 5;
const QUARTER: i64 = 15 * 60_000;

impl Model {
    /// What an answer promises that is not so, if anything.
    pub fn contradiction(&self, customer: &str, question: &Question, at: i64, answer: &Answer) -> Option<String> {
        let then = |moment: i64| self.decide(customer, question, moment);
        let (now, until) = (told(then(at)), answer.valid_until);
        let same = |moment: &i64| told(then(*moment)) == now;
        let between = |end: i64| {
            let parts = (1..PARTS).map(move |part| at + (end - at) / PARTS * part);
            parts.chain([end - 1]).chain(self.quarters(customer, at, end))
        };
        let other = between(until).filter(|moment| *moment > at).find(|moment| !same(moment));
        if until < at || until > at + DAY {
            return Some(format!("valid until {until}"));
        }
        if let Some(other) = other {
            return Some(format!("valid until {until}, and at {other} it is another one"));
        }
        let silence = answer.silence.as_ref()?;
        let within = at + self.rules.policy.retry_within;
        let said = |moment: &i64| then(*moment).silence.is_none();
        match silence.retry_after {
            Some(again) if again <= at || again > within => Some(format!("retry after {again}")),
            // "In rare cases an earlier moment is named": `moments_are_true` counts how rare.
            Some(again) => {
                between(again).filter(|moment| *moment > at).find(said).map(|moment| format!("said at {moment}"))
            }
            // Who drops what falls into quiet hours does not wait for their end.
            None if silence.reason == "quiet_hours" && self.drops(question) => None,
            None => between(within).find(said).map(|moment| format!("no moment to retry after, and said at {moment}")),
        }
    }

    /// Every quarter of an hour within a day, if clocks are changed meanwhile: an hour comes twice then, or not at all.
    fn quarters(&self, customer: &str, from: i64, until: i64) -> impl Iterator<Item = i64> {
        let until = until.min(from + DAY);
        let customer = self.customers.get(customer).cloned().unwrap_or_default();
        let changes = quiet::clocks_change(&self.world(from), &customer, until);
        (1..=DAY / QUARTER).map(move |part| (from / QUARTER + part) * QUARTER).filter(move |at| changes && *at < until)
    }

    fn drops(&self, question: &Question) -> bool {
        let channel = self.rules.channels.get(&question.channel);
        channel.and_then(|channel| channel.quiet_hours.as_ref()).is_some_and(|hours| !hours.wait)
    }

    /// The first moment at which something is said, to the second, within a time: asked again and again.
    #[cfg(test)]
    pub fn first_said(&self, customer: &str, question: &Question, from: i64, within: i64) -> Option<i64> {
        let said = |moment: &i64| self.decide(customer, question, *moment).silence.is_none();
        let minute = (0..within / 60_000).map(|minute| from + minute * 60_000).find(said)?;
        (minute - 60_000..=minute).step_by(1_000).find(said)
    }
}

/// What makes two answers the same: "if their steps, order, texts and reasons are, or the reason for silence".
fn told(answer: Answer) -> Answer {
    let silence = answer.silence.map(|silence| Silence { reason: silence.reason, ..Silence::default() });
    let mut chosen = answer.chosen;
    chosen.iter_mut().for_each(|chosen| chosen.score = Default::default());
    Answer { chosen, silence, ..Answer::default() }
}
