//! One customer in memory: state, standing, and what few customers have for some minutes.

use std::num::NonZeroU32;

use super::operation::Context;
use super::operations::Remembered;
use super::persistence;
use crate::domain::consent::Standing;
use crate::domain::customer::{CustomerState, KnownRequest};
use crate::domain::time::Moment;
use crate::domain::transition::{Settled, Terms, settle};
use crate::store::{Held, Persisted, StoreError, Version};

/// Everything held about one customer.
#[derive(Debug, Clone, Default)]
pub struct Customer {
    /// Attributes, events, journeys, contacts.
    pub state: CustomerState,
    /// The customer's standing in the consent ledger.
    pub standing: Standing,
    /// The rule set for which `state` is settled until `settled_until`; reset by every operation other than a decision.
    pub(super) settled: Option<NonZeroU32>,
    /// Until when `state` is settled.
    pub(super) settled_until: Moment,
    transient: Option<Box<Transient>>,
}

// With its metadata in the map, a customer fills a block of 80 bytes; the allocator's next size is 96.
const _: () = assert!(size_of::<Customer>() <= 72, "a customer takes a block of 80 bytes");

/// Data that few customers have, most of them for some minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Transient {
    /// The revocation epoch, increased by every denial; decisions of an earlier epoch are not shown any more. The upper
    /// half counts erasures, so that a customer who comes back does not get the answers of the erased one.
    pub epoch: u64,
    /// Recent consent requests by idempotency key.
    pub consent_keys: Vec<Remembered>,
    /// Where several engines share a backend: what it keeps with this copy.
    pub held: Held,
    /// And the number of the load that the copy comes from.
    pub load: u64,
    /// Whether the customer's consent records could not be read, so that the standing lacks them.
    pub unread: bool,
}

impl Transient {
    const NONE: Self = Self { epoch: 0, consent_keys: Vec::new(), held: Held::NOTHING, load: 0, unread: false };

    fn is_empty(&self) -> bool {
        self.load == 0 && self.consent_keys.is_empty() && self.says_nothing()
    }

    /// Whether the customer could be loaded again without a difference.
    fn says_nothing(&self) -> bool {
        let Self { epoch, consent_keys, held, load: _, unread } = self;
        // Others come back with the records.
        let waits = consent_keys.iter().any(Remembered::is_under_way);
        let unstored = held.version == Version::default();
        *epoch == 0 && !waits && unstored && !unread
    }
}

impl Customer {
    /// A new customer after an erasure, where `erasures` is the count of erasures so far.
    pub(super) fn erased(erasures: u64) -> Self {
        let mut erased = Self { standing: Standing::erased(), ..Self::default() };
        erased.transient_mut().epoch = erasures << 32;
        erased
    }

    /// Starts a new revocation epoch: earlier decisions are no longer repeated or shown, and those in progress are made
    /// again.
    pub(super) fn deny(&mut self) {
        let transient = self.transient_mut();
        transient.epoch = transient.epoch.wrapping_add(1);
        self.state.forget_requests(|_| true);
    }

    /// Forgets the requests that were answered too long ago to be repeated.
    pub(super) fn forget_requests(&mut self, context: &Context<'_>) {
        let is_old = |known: KnownRequest| known.is_older(context.ids_kept.period, context.now);
        // They are in the order in which they were answered.
        if self.state.requests().next().is_some_and(is_old) {
            self.state.forget_requests(is_old);
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.transient().epoch
    }

    /// If the revocation epoch were lost with its customer, old answers could be shown again.
    fn says_nothing(&self) -> bool {
        self.state.is_empty() && self.standing.is_empty() && self.transient().says_nothing()
    }

    /// The number of the load that this copy comes from; 0 where one engine has the backend to itself.
    pub(super) fn load(&self) -> u64 {
        self.transient().load
    }

    /// Applies the time that has passed. Answers that rely on deleted data are forgotten. Returns the moment until which
    /// the customer stays settled.
    pub(super) fn settle(&mut self, context: &Context<'_>) -> Moment {
        if context.now < context.purges_from {
            return context.purges_from;
        }
        self.forget_requests(context);
        let Self { state, standing, .. } = self;
        let Settled { purged, until } = settle(state, context.terms(standing));
        if purged {
            self.deny();
        }
        until
    }

    /// The state to change, and the terms under which it may be changed.
    pub(super) fn with_terms<'a>(&'a mut self, context: &Context<'a>) -> (&'a mut CustomerState, Terms<'a>) {
        let Self { state, standing, .. } = self;
        (state, context.terms(standing))
    }

    pub(super) fn transient(&self) -> &Transient {
        static NONE: Transient = Transient::NONE;
        self.transient.as_deref().unwrap_or(&NONE)
    }

    pub(super) fn transient_mut(&mut self) -> &mut Transient {
        self.transient.get_or_insert_default()
    }

    /// Changes the transient data; it takes no memory once it is empty.
    pub(super) fn change_transient(&mut self, change: impl FnOnce(&mut Transient)) {
        if let Some(transient) = &mut self.transient {
            change(transient);
        }
        self.transient.take_if(|transient| transient.is_empty());
    }
}

impl Persisted for Customer {
    fn is_worth_keeping(&self) -> bool {
        !self.standing.is_gone() && !self.says_nothing()
    }

    fn is_blank(&self) -> bool {
        !self.standing.is_gone() && self.load() == 0 && self.says_nothing()
    }

    fn is_pinned(&self) -> bool {
        let waits = || self.transient().consent_keys.iter().any(Remembered::is_under_way);
        self.standing.is_gone() || waits()
    }

    fn encode(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        persistence::encode(self, id)
    }

    fn held(&self) -> &Held {
        &self.transient().held
    }

    fn hold(&mut self, held: Held) {
        self.transient_mut().held = held;
    }
}
