//! What presses and hurts, and how it fades.

use smallvec::SmallVec;

use super::Scene;
use crate::domain::customer::{ContactState, StoredEvent};
use crate::domain::id::ChannelId;
use crate::domain::time::{Moment, Period};

/// Points that are half as many after each half-life, as long as they count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fading {
    at: Moment,
    /// They do not count from here on.
    until: Moment,
    points: f64,
}

pub(super) type Fadings = SmallVec<[Fading; 4]>;

impl<'a> Scene<'a> {
    /// Contact pressure: Σ weight × 2^(−age / half-life) over every contact that counts.
    pub fn pressure(&self) -> f64 {
        *self.pressure.get_or_init(|| self.left(self.pressing(), self.rules.policy.pressure.half_life))
    }

    /// Hurt: Σ points × 2^(−age / half-life) over bad experiences that nothing has repaired since.
    pub fn hurt(&self) -> f64 {
        *self.hurt.get_or_init(|| self.left(self.hurting(), self.rules.policy.hurt.half_life))
    }

    /// What is left of them now; 0 instead of −0 for none.
    fn left(&self, all: &Fadings, half_life: Period) -> f64 {
        let counted = all.iter().filter(|one| self.now < one.until);
        counted.fold(0.0, |sum, one| sum + one.points * fade(self.now.since(one.at), half_life))
    }

    /// The contacts that press now, each with the weight of its channel.
    pub(super) fn pressing(&self) -> &Fadings {
        self.pressing.get_or_init(|| {
            let weights = &self.rules.policy.pressure.per_contact;
            let heaviest = || weights.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
            let of = |channel: ChannelId| weights.get(channel).copied().unwrap_or(0.0);
            let counted = self.subject.state.relation().contacts.iter().filter(|contact| contact.counts(self.now));
            let fading = counted.map(|contact| Fading {
                at: contact.at,
                until: match contact.state {
                    ContactState::Reserved { until } => until,
                    ContactState::Counted => Moment::DISTANT_FUTURE,
                },
                points: contact.channel.map_or_else(heaviest, of),
            });
            fading.collect()
        })
    }

    /// The bad experiences that hurt now.
    pub(super) fn hurting(&self) -> &Fadings {
        self.hurting.get_or_init(|| {
            let hurts = |kind| self.rules.declared.events.get(kind).is_some_and(|kind| kind.hurt > 0.0);
            let some = self.subject.state.events().has(hurts);
            let events = self.readable_events().take_while(|_| some).filter_map(|event| {
                let kind = self.rules.declared.events.get(event.kind)?;
                let fading = Fading { at: event.at, until: event.at + kind.keep, points: kind.hurt };
                (kind.hurt > 0.0 && self.now < fading.until && !self.repaired(&event)).then_some(fading)
            });
            let outcomes = self.subject.state.relation().outcomes.iter().filter_map(|entry| {
                let (_, points) =
                    self.rules.policy.hurt.per_outcome.iter().find(|(known, _)| *known == entry.outcome)?;
                Some(Fading { at: entry.at, until: Moment::DISTANT_FUTURE, points: *points })
            });
            events.chain(outcomes).collect()
        })
    }

    /// Whether an experience is repaired: when it was recorded, or since, or because newer rules let a stored event
    /// repair it.
    fn repaired(&self, hurt: &StoredEvent<'_>) -> bool {
        hurt.repaired
            || self.readable_events().take_while(|event| event.at > hurt.at).any(|event| {
                self.rules.declared.events.get(event.kind).is_some_and(|kind| kind.repairs.contains(&hurt.kind))
            })
    }

    /// Events that some purpose may still use, newest first.
    fn readable_events(&self) -> impl Iterator<Item = StoredEvent<'a>> {
        let lawful = self.lawful;
        self.subject.state.events().newest_first().filter(move |event| !event.purposes.intersection(lawful).is_empty())
    }
}

/// What is left of a point after a time.
fn fade(age: Period, half_life: Period) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a lifetime are far below 2^52")]
    let halves = age.0.max(0) as f64 / half_life.0.max(1) as f64;
    (-halves).exp2()
}
