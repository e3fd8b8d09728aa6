//! Time that a wrong setting of the machine's clock does not move.
//!
//! A clock that jumps ten years ahead would end every grant and delete every fact past its retention, and one that jumps
//! back would use limits up again. A step is the machine's clock moving against the time since it was started by more
//! than five minutes: a suspended machine makes none, and corrections over the network are smaller. After a step, time goes
//! on by the time since the start until the clock is right again, or an operator confirms it.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Time, now, since_boot};
use crate::domain::time::{Moment, Period};

/// The largest step that is believed.
const MAX_STEP: Period = Period(5 * 60_000);
/// Differences up to this are the rounding of two clocks.
const ROUNDING: i64 = 10;

/// A clock of the machine.
pub type Source = Box<dyn Fn() -> Moment + Send + Sync>;

/// The machine's clock, guarded against steps.
pub struct GuardedTime {
    wall: Source,
    since_boot: Source,
    /// What to add to the time since the start for the time of day, in milliseconds.
    offset: AtomicI64,
    /// The step that is not believed, in milliseconds; 0 if there is none.
    step: AtomicI64,
}

impl GuardedTime {
    /// The machine's clock. It is believed now, unless it is behind the newest moment on record: then time goes on from
    /// that moment.
    #[must_use]
    pub fn starting_after(newest: Option<Moment>) -> Self {
        Self::over(Box::new(now), Box::new(since_boot), newest)
    }

    /// The same over other clocks: the time of day, and the time since the machine was started.
    #[must_use]
    pub fn over(wall: Source, since_boot: Source, newest: Option<Moment>) -> Self {
        let time = wall().max(newest.unwrap_or(Moment::DISTANT_PAST));
        let offset = AtomicI64::new(time.0.saturating_sub(since_boot().0));
        Self { wall, since_boot, offset, step: AtomicI64::new(0) }
    }
}

impl Time for GuardedTime {
    fn now(&self) -> Moment {
        let (wall, running, held) = ((self.wall)(), (self.since_boot)(), self.offset.load(Ordering::Relaxed));
        let offset = wall.0.saturating_sub(running.0);
        let step = offset.saturating_sub(held);
        if step.saturating_abs() > MAX_STEP.0 {
            if self.step.swap(step, Ordering::Relaxed) == 0 {
                let by = Period(step);
                tracing::error!(%by, "the machine's clock was set; time goes on without that until `tactful clock accept`");
            }
            return Moment(running.0.saturating_add(held));
        }
        if step.saturating_abs() > ROUNDING {
            self.offset.store(offset, Ordering::Relaxed);
        }
        if self.step.load(Ordering::Relaxed) != 0 && self.step.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("the machine's clock agrees with the time again");
        }
        wall
    }

    fn step(&self) -> Option<Period> {
        // Looks again, so that an idle server notices, too.
        self.now();
        Some(Period(self.step.load(Ordering::Relaxed))).filter(|step| step.0 != 0)
    }

    fn accept(&self) {
        let offset = (self.wall)().0.saturating_sub((self.since_boot)().0);
        self.offset.store(offset, Ordering::Relaxed);
        self.step.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const START: i64 = 1_772_442_000_000;
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    /// A machine whose clocks a test turns: the time of day, and the time since its start.
    #[derive(Default)]
    struct Machine(Arc<AtomicI64>, Arc<AtomicI64>);

    impl Machine {
        fn new() -> Self {
            Self(Arc::new(AtomicI64::new(START)), Arc::new(AtomicI64::new(7_000)))
        }

        fn time(&self, newest: Option<Moment>) -> GuardedTime {
            let [wall, running] = [&self.0, &self.1].map(Arc::clone);
            let read = |of: Arc<AtomicI64>| -> Source { Box::new(move || Moment(of.load(Ordering::Relaxed))) };
            GuardedTime::over(read(wall), read(running), newest)
        }

        /// Time passes: also while the machine is suspended.
        fn pass(&self, length: i64) {
            self.0.fetch_add(length, Ordering::Relaxed);
            self.1.fetch_add(length, Ordering::Relaxed);
        }

        /// The clock is set.
        fn set(&self, by: i64) {
            self.0.fetch_add(by, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_step_does_not_move_time_until_it_is_accepted() {
        for step in [HOUR, -HOUR, DAY, -DAY, 3_652 * DAY, -3_652 * DAY] {
            let machine = Machine::new();
            let time = machine.time(None);
            machine.pass(60_000);
            machine.set(step);
            machine.pass(60_000);
            assert_eq!((time.now(), time.step()), (Moment(START + 120_000), Some(Period(step))), "{step}");
            time.accept();
            assert_eq!((time.now(), time.step()), (Moment(START + 120_000 + step), None), "{step}");
        }
    }

    #[test]
    fn a_step_that_is_taken_back_is_forgotten() {
        let machine = Machine::new();
        let time = machine.time(None);
        machine.set(DAY);
        assert_eq!(time.step(), Some(Period(DAY)));
        machine.set(-DAY);
        machine.pass(1_000);
        assert_eq!((time.now(), time.step()), (Moment(START + 1_000), None));
    }

    #[test]
    fn a_suspended_machine_and_small_corrections_are_believed() {
        let machine = Machine::new();
        let time = machine.time(None);
        machine.pass(30 * DAY);
        assert_eq!((time.now(), time.step()), (Moment(START + 30 * DAY), None));
        for _ in 0..10 {
            machine.set(-4 * 60_000);
            assert_eq!(time.step(), None);
        }
        assert_eq!(time.now(), Moment(START + 30 * DAY - 40 * 60_000));
    }

    #[test]
    fn a_start_behind_the_newest_record_goes_on_from_it() {
        let machine = Machine::new();
        let newest = Moment(START + DAY);
        let time = machine.time(Some(newest));
        machine.pass(1_000);
        assert_eq!((time.now(), time.step()), (newest + Period(1_000), Some(Period(-DAY))));
        machine.pass(DAY);
        machine.set(DAY);
        assert_eq!((time.now(), time.step()), (newest + Period(1_000 + DAY), None), "the clock was corrected");
        assert_eq!(
            machine.time(Some(Moment(START - DAY))).now(),
            Moment(START + 2 * DAY + 1_000),
            "it is ahead: believed"
        );
    }
}
