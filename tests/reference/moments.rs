//! The moments that answers name, against a clock that goes on: the same question is asked again and again while nothing
//! is recorded, and what it comes to is held against what the answers before it promised.
//!
//! `SETS=5000 cargo test --release --test reference moments -- --nocapture` prints the figures of many rule sets.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tactful::domain::time::{Period, zone};

use crate::engine::Player;
use crate::generate::history::Teller;
use crate::generate::random::Random;
use crate::generate::rules::{Rules, merged};
use crate::play::Story;
use crate::story::{Answer, Question, What};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;
/// So long the clock goes on.
const WALK: i64 = 2 * DAY;
/// So long before and after each named moment and each clock change it goes by seconds.
const NEAR: i64 = 5 * MINUTE;
/// Named moments that are looked at by seconds in one walk, at most.
const MOST_NAMED: usize = 40;
/// Steps of a history, at most.
const STEPS: usize = 40;
/// Examples of each kind of mistake that are shown.
const SHOWN: usize = 3;

/// What an answer promised.
struct Promise {
    at: i64,
    answer: usize,
    /// Whether nothing is said, and whether the silence names when something will be.
    silent: Option<bool>,
    valid_until: i64,
    retry_after: Option<i64>,
}

/// Counts of what was kept, and examples of what was not.
#[derive(Default)]
pub struct Figures {
    pub answers: u64,
    /// Answers that another one followed before their `valid_until`.
    pub outlived: u64,
    /// Silences after which something was said before their `retry_after`.
    pub early: u64,
    /// Answers that are valid at least half as long as they were the same, up to a day.
    pub half: u64,
    /// Silences whose `retry_after` is the first moment at which something was said, to the second; and all for which the
    /// walk shows whether it is.
    pub exact: [u64; 2],
    examples: Vec<String>,
    kinds: [usize; 4],
}

impl Figures {
    fn miss(&mut self, kind: usize, told: impl FnOnce() -> String) {
        self.kinds[kind] += 1;
        if self.kinds[kind] <= SHOWN {
            self.examples.push(told());
        }
    }

    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.outlived += other.outlived;
        self.early += other.early;
        self.half += other.half;
        (0..2).for_each(|place| self.exact[place] += other.exact[place]);
        for (place, count) in other.kinds.into_iter().enumerate() {
            if self.kinds[place] < SHOWN && count > 0 {
                let kind = format!("{} ", KINDS[place]);
                self.examples.extend(other.examples.iter().filter(|shown| shown.starts_with(&kind)).cloned());
            }
            self.kinds[place] += count;
        }
    }

    fn share([part, all]: [u64; 2]) -> f64 {
        if all == 0 { 100.0 } else { 100.0 * part as f64 / all as f64 }
    }

    /// The figures, in lines.
    pub fn show(&self) -> String {
        let half = Self::share([self.half, self.answers]);
        let mut lines = self.examples.join("\n");
        lines += &format!("\n{} answers\n{} outlived by another answer\n", self.answers, self.outlived);
        lines += &format!("{} silences broken before retry_after\n", self.early);
        lines += &format!("{half:.2} % valid at least half as long as the truth\n");
        lines + &format!("{:.2} % of {} retry_after exact to the second\n", Self::share(self.exact), self.exact[1])
    }
}

const KINDS: [&str; 4] = ["outlived", "early", "short", "inexact"];

/// Walks over this many rule sets, on every core.
pub fn figures(sets: u64, first_seed: u64) -> Figures {
    let (all, next) = (Mutex::new(Figures::default()), AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sets {
                        return;
                    }
                    let walked = catch_unwind(AssertUnwindSafe(|| one_set(first_seed + number)));
                    let walked = walked.unwrap_or_else(|_| panic!("seed {}", first_seed + number));
                    all.lock().unwrap().add(walked);
                }
            });
        }
    });
    all.into_inner().unwrap()
}

/// A history, and then one walk for each customer who was asked about.
fn one_set(seed: u64) -> Figures {
    let mut random = Random::new(seed);
    let rules = Rules::random(&mut random);
    let files = rules.files(&mut random);
    let mut teller = Teller::new(rules, false, &mut random).without_reloads();
    let mut player = Player::new(&files, teller.begins(), false).unwrap();
    let mut story = Story { rule_sets: vec![files], begins: teller.begins(), on_disk: false, steps: Vec::new() };
    for place in 0..random.within(5, STEPS as i64) as usize {
        let step = teller.next(place, &mut random);
        let played = player.play(&step, &story.rule_sets);
        teller.heard(&step, &played.reply);
        story.steps.push(step);
    }
    let end = story.steps.last().unwrap().at;
    if std::env::var("SHOW").is_ok() {
        story.rule_sets[0].iter().for_each(|(path, text)| println!("# {path}\n{text}"));
        story.steps.iter().for_each(|step| println!("{} {step:?}", moment(step.at)));
    }
    let (zones, written) = (zones(&story), merged(&story.rule_sets[0]));
    let drops = |channel: &str| written["channels"][channel]["quiet_hours"]["otherwise"] == "drop";
    let within = written["policy"]["retry_within"].as_str().map_or(7 * DAY, |text| Period::parse(text).unwrap().0);
    let mut figures = Figures::default();
    for customer in teller.customers() {
        let asked = story.steps.iter().rev().find_map(|step| match &step.what {
            What::Decide(question) if step.customer == *customer => Some(question.clone()),
            _ => None,
        });
        let Some(question) = asked else { continue };
        let question = Question { rehearsal: true, gpc: false, ..question };
        let Some(promises) = walk(&player, (customer, &question, drops(&question.channel)), end, &zones) else {
            continue;
        };
        judge(&promises, within, &mut figures, &|at| {
            format!("seed {seed}, {customer}: {question:?} at {}", moment(at))
        });
    }
    figures
}

fn moment(at: i64) -> String {
    format!("{} ({at})", tactful::domain::time::Moment(at))
}

/// The zones of the policy and of the customers.
fn zones(story: &Story) -> BTreeSet<String> {
    let told = story.steps.iter().filter_map(|step| match &step.what {
        What::Attributes { time_zone, .. } => Some(time_zone.clone()),
        _ => None,
    });
    let texts = story.rule_sets.iter().flatten().flat_map(|(_, text)| text.lines());
    let written = texts.filter_map(|line| {
        line.split_once("time_zone")?.1.split(['"', '\'', ' ', ':', ',', '}']).find(|word| word.contains('/'))
    });
    told.chain(written.map(str::to_owned)).filter(|name| !name.is_empty()).collect()
}

/// Asks at every minute, and at every second near the named moments and the clock changes.
fn walk(
    player: &Player,
    (customer, question, drops): (&str, &Question, bool),
    begins: i64,
    zones: &BTreeSet<String>,
) -> Option<Vec<Promise>> {
    let end = begins + WALK;
    // Moments still to come, and whether what is answered then names more of them.
    let mut left: BTreeMap<i64, bool> = (0..WALK / MINUTE).map(|minute| (begins + minute * MINUTE, true)).collect();
    let near = |left: &mut BTreeMap<i64, bool>, named: i64, now: i64| {
        let seconds = (-NEAR / SECOND..=NEAR / SECOND).map(|second| named + second * SECOND);
        left.extend(seconds.filter(|at| *at > now && *at < end).map(|at| (at, true)));
    };
    for zone in zones.iter().filter_map(|name| zone(name)) {
        let from = jiff::Timestamp::from_millisecond(begins).unwrap();
        let changes = zone.following(from).map(|change| change.timestamp().as_millisecond());
        changes.take_while(|at| *at < end).for_each(|at| near(&mut left, at, begins));
    }
    let (mut promises, mut answers, mut named) = (Vec::new(), Vec::<Answer>::new(), BTreeSet::new());
    while let Some((at, names)) = left.pop_first() {
        let answer = player.rehearse(customer, question, at)?;
        let (valid_until, retry_after) =
            (answer.valid_until, answer.silence.as_ref().and_then(|silence| silence.retry_after));
        for moment in retry_after.into_iter().chain([valid_until]).filter(|_| names) {
            if moment > at && moment < end && named.len() < MOST_NAMED && named.insert(moment) {
                near(&mut left, moment, at);
            }
            for exactly in [moment - 1, moment].into_iter().filter(|exactly| *exactly > at && *exactly < end) {
                left.entry(exactly).or_insert(false);
            }
        }
        let answer = told(answer);
        let silent = answer.silence.as_ref().map(|silence| !(drops && silence.reason == "quiet_hours"));
        let place = answers.iter().rposition(|known| *known == answer).unwrap_or_else(|| {
            if std::env::var("SHOW").is_ok() {
                println!(
                    "{} {answer:?} valid until {} retry {:?}",
                    moment(at),
                    moment(valid_until),
                    retry_after.map(moment)
                );
            }
            answers.push(answer);
            answers.len() - 1
        });
        promises.push(Promise { at, answer: place, silent, valid_until, retry_after });
    }
    Some(promises)
}

/// What makes two answers the same: steps, order, texts and the reason of a silence.
fn told(mut answer: Answer) -> Answer {
    for chosen in &mut answer.chosen {
        chosen.score = crate::story::Score::default();
    }
    let silence = answer.silence.map(|silence| crate::story::Silence { reason: silence.reason, ..Default::default() });
    Answer { chosen: answer.chosen, silence, ..Answer::default() }
}

/// Holds every promise against what came after it. No moment to ask again is named that is not within this time.
fn judge(promises: &[Promise], within: i64, figures: &mut Figures, about: &dyn Fn(i64) -> String) {
    let end = promises.last().map_or(0, |last| last.at);
    let (mut other, mut said) = (vec![None; promises.len()], vec![None; promises.len()]);
    for place in (0..promises.len().saturating_sub(1)).rev() {
        let (now, next) = (&promises[place], &promises[place + 1]);
        other[place] = if now.answer == next.answer { other[place + 1] } else { Some(next.at) };
        said[place] = if next.silent.is_some() { said[place + 1] } else { Some(next.at) };
    }
    for (promise, (other, said)) in promises.iter().zip(other.into_iter().zip(said)) {
        // What comes after the walk is not known.
        if other.is_none() && promise.at + DAY > end {
            continue;
        }
        let Promise { at, valid_until, retry_after, .. } = *promise;
        figures.answers += 1;
        let other = other.unwrap_or(i64::MAX);
        if other < valid_until {
            figures.outlived += 1;
            figures.miss(0, || {
                format!("outlived {}: valid until {}, other at {}", about(at), moment(valid_until), moment(other))
            });
        }
        let truth = other.min(at + DAY) - at;
        if 2 * (valid_until - at) >= truth {
            figures.half += 1;
        } else {
            figures.miss(2, || {
                format!("short {}: valid until {}, truth {}", about(at), moment(valid_until), moment(at + truth))
            });
        }
        if promise.silent != Some(true) {
            continue;
        }
        let first = said.unwrap_or(i64::MAX);
        if retry_after.is_some_and(|retry| first < retry) {
            figures.early += 1;
            figures.miss(1, || {
                format!("early {}: retry {:?}, said at {}", about(at), retry_after.map(moment), moment(first))
            });
        }
        let said = said.filter(|said| said - at < within);
        let first = said.unwrap_or(i64::MAX);
        let shows = said.is_some() || retry_after.is_some_and(|retry| retry < end);
        if shows {
            figures.exact[1] += 1;
            let exact = retry_after.is_some_and(|retry| retry <= first && first - retry < SECOND);
            figures.exact[0] += u64::from(exact);
            if !exact {
                figures.miss(3, || {
                    format!("inexact {}: retry {:?}, said {:?}", about(at), retry_after.map(moment), said.map(moment))
                });
            }
        }
    }
}

#[test]
fn moments_are_true() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let figures = figures(number("SETS").unwrap_or(8), number("SEED").unwrap_or(1));
    println!("{}", figures.show());
    assert_eq!((figures.outlived, figures.early), (0, 0), "{}", figures.show());
    assert!(figures.answers > 0 && Figures::share([figures.half, figures.answers]) >= 95.0, "{}", figures.show());
    assert!(Figures::share(figures.exact) >= 99.0, "{}", figures.show());
}
