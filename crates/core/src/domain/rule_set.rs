//! Everything loaded from the rule files: checked, immutable, named by a hash of its contents.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::expr::{Fact, FactTable};
use crate::domain::id::{ActionId, IdMap, JourneyId, PurposeId, PurposeSet, Vocabulary};
use crate::domain::index::Index;
use crate::domain::model::{Action, Declarations, Journey, LimitRule, Policy};
use crate::domain::notice::{Notice, Notices};
use crate::domain::purpose::Purpose;
use crate::domain::sources::{Location, Places, Sources, Span};
use crate::domain::time::{Moment, Period};

/// A checked rule set. One decision uses one rule set.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Hash of the paths and contents of the rule files and notices, in hexadecimal; test files do not count.
    pub hash: String,
    /// Names and numbers.
    pub vocabulary: Vocabulary,
    /// What is declared.
    pub declared: Declarations,
    /// Purposes that earlier rules declared and these do not.
    pub dropped: IdMap<PurposeId, DroppedPurpose>,
    /// Journeys.
    pub journeys: IdMap<JourneyId, Journey>,
    /// Actions.
    pub actions: IdMap<ActionId, Action>,
    /// The settings for all actions.
    pub policy: Policy,
    /// Every fact that rules read.
    pub facts: FactTable,
    /// The purposes that some `consent.given` asks about.
    pub consents_read: PurposeSet,
    /// The journeys that some rule reads.
    pub journeys_read: Vec<JourneyId>,
    /// The index of actions that may fit.
    pub index: Index,
    /// How far back a rule may ask.
    pub horizon: Period,
    /// How far back a limit or a rule may ask for contacts and outcomes.
    pub contact_horizon: Period,
    /// Where the lines of the rule files begin, so that reasons can name them. Kept decisions keep their rule set, so it
    /// has no texts.
    pub places: Arc<Places>,
    /// The notices that customers read, old versions included.
    pub notices: Arc<Notices>,
}

impl RuleSet {
    /// The first digits of the hash, as a name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.hash.get(..8).unwrap_or(&self.hash)
    }

    /// The declaration of a purpose; `None` if it is no longer declared.
    #[must_use]
    pub fn purpose(&self, id: PurposeId) -> Option<&Purpose> {
        self.declared.purposes.get(id)
    }

    /// The notice that a purpose declares.
    #[must_use]
    pub fn notice(&self, purpose: &Purpose) -> Option<&Notice> {
        self.notices.find(purpose.notice.as_ref()?)
    }

    /// File, inside the rule folder, and line of a place in the rules.
    #[must_use]
    pub fn locate(&self, span: Span) -> Location {
        self.places.locate_inside(span)
    }
}

/// Names a set of rule files by its contents and its notices.
#[must_use]
pub fn hash(sources: &Sources) -> String {
    let mut hasher = Sha256::new();
    let rules = sources.iter().filter(|(_, file)| !is_test(&file.path));
    let rules = rules.map(|(_, file)| [sources.relative(file), &file.text]);
    let notices = sources.notices().iter().map(|notice| [notice.path.as_str(), &notice.text]);
    for parts in rules.chain(notices) {
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a file holds tests rather than rules.
#[must_use]
pub fn is_test(path: &str) -> bool {
    path.ends_with(".test.yaml") || path.ends_with(".test.yml")
}

/// How far back rules and limits look, and how long experiences hurt.
#[must_use]
pub fn horizon(
    facts: &FactTable,
    declared: &Declarations,
    actions: &IdMap<ActionId, Action>,
    policy: &Policy,
) -> Period {
    let of_fact = |fact: &Fact| match fact {
        Fact::EventCount { window, .. } | Fact::OutcomeCount { window, .. } => *window,
        Fact::EventLast { event, .. } => declared.events.get(*event).map_or(Period::ZERO, |event| event.keep),
        _ => Period::ZERO,
    };
    let hurts = declared.events.iter().filter(|(_, event)| event.hurt > 0.0).map(|(_, event)| event.keep);
    let facts = facts.iter().map(|(_, entry)| of_fact(&entry.fact));
    facts.chain(hurts).chain(limits(actions, policy)).max().unwrap_or(Period::ZERO)
}

/// How far back limits and rules may ask for contacts and outcomes.
#[must_use]
pub fn contact_horizon(facts: &FactTable, actions: &IdMap<ActionId, Action>, policy: &Policy) -> Period {
    let window = |fact: &Fact| if let Fact::OutcomeCount { window, .. } = fact { Some(*window) } else { None };
    let windows = facts.iter().filter_map(|(_, entry)| window(&entry.fact));
    windows.chain(limits(actions, policy)).max().unwrap_or(Period::ZERO)
}

fn limits<'a>(actions: &'a IdMap<ActionId, Action>, policy: &'a Policy) -> impl Iterator<Item = Period> + use<'a> {
    let own = actions.iter().flat_map(|(_, action)| &action.limits);
    policy.limits.iter().chain(own).map(|limit| match limit.rule {
        LimitRule::AtMost { per, .. } => per,
        LimitRule::After { wait, .. } => wait,
    })
}

/// How long data is withheld, not purged, after its purpose disappears from the rules, so that a misspelt name can be
/// fixed. `retired: true` purges it at once.
pub const GRACE: Period = Period(30 * Period::DAY.0);

/// A purpose that earlier rules declared and those in force do not.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedPurpose {
    /// Its last declaration.
    pub terms: Purpose,
    /// When it was first missing.
    pub since: Moment,
}

impl DroppedPurpose {
    /// Whether its data is still withheld, not purged.
    #[must_use]
    pub fn is_withheld(&self, now: Moment) -> bool {
        now.since(self.since) < GRACE
    }
}
