//! How many calls wait on one thread: a limit that adapts to how long they wait. A call over the limit is refused at once,
//! those of the lowest classes first; withdrawals and health checks have places of their own.
//!
//! A call is counted when it is dispatched, before anything runs for it: what waits in a queue behind the dispatch would
//! be answered late, and count all the same. Each thread that answers calls has a limit of its own, and is the only one
//! that changes it, so its numbers are read and written without locking the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::grpc::proto::CallClass;

/// How long a call may wait on average before the limit falls.
const TARGET: Duration = Duration::from_millis(5);
/// How often the limit is adapted.
const WINDOW: Duration = Duration::from_millis(10);
/// The limit at the start, and within which bounds it adapts.
const FIRST: u64 = 256;
/// After how many windows in which calls wait too long the limit falls: a burst is not an overload.
const PATIENCE: u64 = 40;
const LEAST: u64 = 32;
/// How many calls may wait whatever their class: so few are no overload, even if something else keeps the machine busy.
const FEW: u64 = 16;
const MOST: u64 = 4_096;
/// How many refusals in a window cost about a third of the time, at 9 µs each. Past that, connections are not read until
/// it ends.
const REFUSALS: u64 = 350;
/// How many withdrawals and health checks may wait on one thread.
const RESERVED: u64 = 256;

/// The classes, for the counts of what was shed.
pub const CLASSES: [CallClass; 7] = [
    CallClass::Health,
    CallClass::Withdrawal,
    CallClass::Grant,
    CallClass::Decision,
    CallClass::Event,
    CallClass::Batch,
    CallClass::Background,
];

/// How many calls were refused because there were too many, by class, over all threads.
#[derive(Debug, Default)]
pub struct Shed([AtomicU64; CLASSES.len()]);

impl Shed {
    fn count(&self, class: CallClass) {
        let place = CLASSES.iter().position(|known| *known == class);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts, by the name of the class.
    pub fn counts(&self) -> impl Iterator<Item = (CallClass, u64)> {
        CLASSES.into_iter().zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// A number that one thread alone changes.
#[derive(Debug, Default)]
struct Own(AtomicU64);

impl Own {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn add(&self, value: u64) {
        self.set(self.get().saturating_add(value));
    }

    fn take(&self, value: u64) {
        self.set(self.get().saturating_sub(value));
    }
}

/// The limit of one thread.
#[derive(Debug)]
pub struct Admission {
    /// When the numbers of the windows began to count.
    base: Instant,
    /// How many calls may wait.
    limit: Own,
    /// How many calls wait to begin.
    waiting: Own,
    /// How many withdrawals and health checks wait to begin.
    reserved: Own,
    /// How many calls have no answer yet, waiting or not.
    open: Own,
    /// How many calls may have no answer yet.
    most_open: u64,
    window: Window,
    shed: Arc<Shed>,
}

/// What happened since the limit was last adapted.
#[derive(Debug, Default)]
struct Window {
    /// When it ends, in microseconds after the base.
    end: Own,
    begun: Own,
    /// The sum of the waits, in microseconds.
    waited: Own,
    refused: Own,
    /// How many windows in a row calls have waited too long.
    slow: Own,
}

/// The call was refused: too many others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded;

impl Admission {
    /// The limit of one thread, on which `most_open` calls may have no answer yet.
    #[must_use]
    pub fn new(most_open: usize, shed: Arc<Shed>) -> Self {
        let limit = Own::default();
        limit.set(FIRST);
        Self {
            base: Instant::now(),
            limit,
            waiting: Own::default(),
            reserved: Own::default(),
            open: Own::default(),
            most_open: most_open as u64,
            window: Window::default(),
            shed,
        }
    }

    /// How many calls have no answer yet.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        usize::try_from(self.open.get()).unwrap_or(usize::MAX)
    }

    /// Lets a call wait that arrived now.
    ///
    /// # Errors
    /// When too many others wait.
    pub fn admit(self: &Arc<Self>, class: CallClass, now: Instant) -> Result<Permit, Overloaded> {
        let reserved = is_reserved(class);
        let (place, most) = if reserved { (&self.reserved, RESERVED) } else { (&self.waiting, self.share(class)) };
        let spare = if reserved { RESERVED } else { 0 };
        if place.get() >= most || self.open.get() >= self.most_open.saturating_add(spare) {
            self.adapt(now);
            self.window.refused.add(1);
            self.shed.count(class);
            return Err(Overloaded);
        }
        place.add(1);
        self.open.add(1);
        Ok(Permit { admission: Arc::clone(self), arrived: now, reserved, waits: true })
    }

    /// How many calls may wait when one of this class arrives.
    fn share(&self, class: CallClass) -> u64 {
        let limit = self.limit.get();
        FEW.max(match class {
            CallClass::Unspecified | CallClass::Background => limit / 4,
            CallClass::Batch => limit / 2,
            CallClass::Event => limit / 4 * 3,
            CallClass::Decision => limit,
            // A few places above those of decisions.
            CallClass::Grant | CallClass::Withdrawal | CallClass::Health => limit.saturating_add(limit / 4),
        })
    }

    /// Adapts the limit at the end of a window: less by an eighth if calls waited longer than they should, more by a
    /// sixteenth if some were refused although none waited so long.
    fn adapt(&self, now: Instant) {
        let Window { end, begun, waited, refused, slow } = &self.window;
        let micros = self.micros(now);
        if micros < end.get() {
            return;
        }
        let limit = self.limit.get();
        let mean = waited.get().checked_div(begun.get()).unwrap_or(0);
        if u128::from(mean) > TARGET.as_micros() {
            slow.add(1);
            if slow.get() > PATIENCE {
                self.limit.set(LEAST.max(limit - limit / 8));
            }
        } else {
            slow.set(0);
            if refused.get() > 0 {
                self.limit.set(MOST.min(limit + limit / 16));
            }
        }
        end.set(micros.saturating_add(WINDOW.as_micros() as u64));
        begun.set(0);
        waited.set(0);
        refused.set(0);
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_micros()).unwrap_or(u64::MAX)
    }

    /// Until when connections should not be read, because refusing calls takes too much of the time; `None` otherwise.
    fn unread_until(&self) -> Option<Instant> {
        if self.window.refused.get() <= REFUSALS {
            return None;
        }
        let end = self.base + Duration::from_micros(self.window.end.get());
        (Instant::now() < end).then_some(end)
    }
}

fn is_reserved(class: CallClass) -> bool {
    matches!(class, CallClass::Withdrawal | CallClass::Health)
}

/// The place of a call that was admitted. It is free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    /// When the call arrived.
    pub arrived: Instant,
    reserved: bool,
    waits: bool,
}

impl Permit {
    /// Whether the call has not begun.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// The call begins.
    pub fn begin(&mut self, now: Instant) {
        self.leave_queue();
        if !self.reserved {
            let Window { begun, waited, .. } = &self.admission.window;
            begun.add(1);
            waited.add(u64::try_from(now.saturating_duration_since(self.arrived).as_micros()).unwrap_or(u64::MAX));
            self.admission.adapt(now);
        }
    }

    fn leave_queue(&mut self) {
        if std::mem::take(&mut self.waits) {
            let place = if self.reserved { &self.admission.reserved } else { &self.admission.waiting };
            place.take(1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.leave_queue();
        self.admission.open.take(1);
    }
}

/// Whether a connection is read. One on which only withdrawals and health checks arrive always is.
#[derive(Debug, Clone)]
pub struct Throttle {
    admission: Arc<Admission>,
    /// Whether the last call was of another class.
    ordinary: Arc<AtomicBool>,
}

impl Throttle {
    /// The throttle of a connection.
    #[must_use]
    pub fn new(admission: Arc<Admission>) -> Self {
        Self { admission, ordinary: Arc::default() }
    }

    /// Notes the class of the newest call.
    pub fn note(&self, class: CallClass) {
        self.ordinary.store(!is_reserved(class), Ordering::Relaxed);
    }

    /// Until when the connection should not be read.
    #[must_use]
    pub fn unread_until(&self) -> Option<Instant> {
        if self.ordinary.load(Ordering::Relaxed) { self.admission.unread_until() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn admission() -> Arc<Admission> {
        Arc::new(Admission::new(10_000, Arc::default()))
    }

    fn admit(admission: &Arc<Admission>, class: CallClass) -> Result<Permit, Overloaded> {
        admission.admit(class, Instant::now())
    }

    fn fill(admission: &Arc<Admission>, class: CallClass) -> Vec<Permit> {
        std::iter::from_fn(|| admit(admission, class).ok()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn lower_classes_are_refused_first_and_withdrawals_have_places_of_their_own() {
        let admission = admission();
        let mut waiting = fill(&admission, CallClass::Background);
        let mut counts = vec![waiting.len()];
        for class in [CallClass::Batch, CallClass::Event, CallClass::Decision, CallClass::Grant] {
            assert!(admit(&admission, CallClass::Background).is_err());
            waiting.extend(fill(&admission, class));
            counts.push(waiting.len());
        }
        assert_eq!(counts, [64, 128, 192, 256, 320]);
        let withdrawals = fill(&admission, CallClass::Withdrawal);
        assert_eq!(withdrawals.len() as u64, RESERVED);
        assert!(admit(&admission, CallClass::Health).is_err());
        drop(withdrawals);
        assert!(admit(&admission, CallClass::Health).is_ok());
        drop(waiting);
        assert!(admit(&admission, CallClass::Background).is_ok());
        let shed: Vec<u64> = admission.shed.counts().map(|(_, count)| count).collect();
        assert_eq!(shed, [1, 1, 1, 1, 1, 1, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_falls_while_calls_wait_too_long_and_rises_while_they_do_not() {
        let admission = admission();
        for _ in 0..100 {
            let mut permit = admit(&admission, CallClass::Decision).unwrap();
            advance(TARGET * 3).await;
            permit.begin(Instant::now());
        }
        assert_eq!(admission.limit.get(), LEAST);
        for _ in 0..200 {
            let mut waiting = fill(&admission, CallClass::Decision);
            waiting.iter_mut().for_each(|permit| permit.begin(Instant::now()));
            advance(WINDOW).await;
        }
        assert_eq!(admission.limit.get(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_have_begun_do_not_wait_but_are_open() {
        let admission = Arc::new(Admission::new(2, Arc::default()));
        let mut open =
            vec![admit(&admission, CallClass::Decision).unwrap(), admit(&admission, CallClass::Decision).unwrap()];
        open.iter_mut().for_each(|permit| permit.begin(Instant::now()));
        assert_eq!(admission.waiting.get(), 0);
        assert!(admit(&admission, CallClass::Decision).is_err());
        assert!(admit(&admission, CallClass::Withdrawal).is_ok());
        open.pop();
        assert!(admit(&admission, CallClass::Decision).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_not_read_while_refusing_takes_too_long() {
        let admission = admission();
        let throttle = Throttle::new(Arc::clone(&admission));
        advance(WINDOW).await;
        let waiting = fill(&admission, CallClass::Decision);
        for _ in 0..REFUSALS {
            assert!(admit(&admission, CallClass::Decision).is_err());
        }
        throttle.note(CallClass::Decision);
        let until = throttle.unread_until().unwrap();
        throttle.note(CallClass::Withdrawal);
        assert_eq!(throttle.unread_until(), None);
        throttle.note(CallClass::Decision);
        tokio::time::sleep_until(until).await;
        assert_eq!(throttle.unread_until(), None);
        drop(waiting);
    }
}
