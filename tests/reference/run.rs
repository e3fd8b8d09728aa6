//! Many stories on all cores, and what came of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::compare::Difference;
use crate::generate::history::Teller;
use crate::generate::random::Random;
use crate::generate::rules::{Rules, about_sample, merged};
use crate::generate::samples;
use crate::play::{Outcome, Pair, Story, panicked};
use crate::shrink::Shrinker;
use crate::story::{RuleFiles, What};

/// One set of rules in this many is on disk, and one comes with Tactful.
const ON_DISK: u64 = 50;
const SAMPLE: u64 = 40;
/// Questions that are asked of one set of rules.
const QUESTIONS: u64 = 20;
/// Differences of one kind that are made small.
const SHRUNK: usize = 2;

/// How much is played.
pub struct Extent {
    pub sets: u64,
    pub first_seed: u64,
    /// No new set is begun after this time.
    pub longest: Option<Duration>,
}

impl Extent {
    /// What the environment asks for, by default little.
    pub fn asked() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let longest = number("MINUTES").map(|minutes| Duration::from_secs(60 * minutes));
        Self { sets: number("SETS").unwrap_or(400), first_seed: number("SEED").unwrap_or(1), longest }
    }
}

/// What came of all stories.
#[derive(Default)]
pub struct Tally {
    pub questions: AtomicU64,
    pub sets: AtomicU64,
    /// How often each kind of difference came, and some of them made small.
    pub differences: Mutex<BTreeMap<String, (u64, Vec<String>)>>,
}

impl Tally {
    pub fn count(&self) -> u64 {
        self.differences.lock().unwrap().values().map(|(count, _)| count).sum()
    }

    pub fn count_of(&self, kind: &str) -> u64 {
        self.differences.lock().unwrap().get(kind).map_or(0, |(count, _)| *count)
    }

    /// Each kind of difference with its smallest example.
    pub fn show(&self) -> String {
        let differences = self.differences.lock().unwrap();
        let mut kinds: Vec<_> = differences.iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let mut shown = String::new();
        for (kind, (count, examples)) in &kinds {
            shown.push_str(&format!("\n##### {count} × {kind}\n"));
            let mut examples = examples.clone();
            examples.sort_by_key(String::len);
            examples.iter().take(2).for_each(|example| shown.push_str(example));
        }
        kinds.iter().for_each(|(kind, (count, _))| shown.push_str(&format!("{count:8} × {kind}\n")));
        shown
    }

    fn note(&self, seed: u64, story: &Story, difference: &Difference) {
        let first = {
            let mut differences = self.differences.lock().unwrap();
            let (count, examples) = differences.entry(difference.kind.clone()).or_default();
            *count += 1;
            *count as usize <= SHRUNK && examples.len() < SHRUNK
        };
        if !first {
            return;
        }
        let shown = match Shrinker::new(story) {
            Some(mut shrinker) => {
                shrinker.shrink();
                format!("seed {seed}: {}", shrinker.show())
            }
            None => format!("seed {seed}: not seen again when played again: {difference:?}\n"),
        };
        let mut differences = self.differences.lock().unwrap();
        differences.entry(difference.kind.clone()).or_default().1.push(shown);
    }
}

/// Plays this many sets of rules, on every core.
pub fn run(extent: &Extent) -> Tally {
    let (tally, next, samples) = (Tally::default(), AtomicU64::new(0), samples::all());
    #[expect(clippy::disallowed_methods, reason = "only to stop in time")]
    let begun = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let late = extent.longest.is_some_and(|longest| begun.elapsed() > longest);
                    if late || number >= extent.sets {
                        return;
                    }
                    one_set(extent.first_seed + number, &samples, &tally);
                    let done = tally.sets.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(1_000) {
                        let (asked, differ) = (tally.questions.load(Ordering::Relaxed), tally.count());
                        eprintln!("{done} rule sets, {asked} questions, {differ} differences so far");
                    }
                }
            });
        }
    });
    drop(std::panic::take_hook());
    tally
}

/// Stories under one set of rules, until enough was asked.
fn one_set(seed: u64, samples: &[RuleFiles], tally: &Tally) {
    let mut random = Random::new(seed);
    let (rules, files) = if seed.is_multiple_of(SAMPLE) {
        let files = random.one_of(samples);
        (Rules::of(merged(&files), about_sample(&mut random)), files)
    } else {
        let rules = Rules::random(&mut random);
        let files = rules.files(&mut random);
        (rules, files)
    };
    let mut asked = 0;
    while asked < QUESTIONS {
        let mut told = Told::new((&rules, &files), seed.is_multiple_of(ON_DISK), &mut random);
        let played = catch_unwind(AssertUnwindSafe(|| told.tell(&mut random)));
        let played = played.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        asked += told.asked.max(1);
        tally.questions.fetch_add(told.asked, Ordering::Relaxed);
        if let Err(difference) = played {
            tally.note(seed, &told.story, &difference);
            return;
        }
    }
}

/// A story while it is told and played.
struct Told {
    teller: Teller,
    story: Story,
    asked: u64,
}

impl Told {
    fn new((rules, files): (&Rules, &RuleFiles), on_disk: bool, random: &mut Random) -> Self {
        let teller = Teller::new(rules.clone(), on_disk, random);
        let story = Story { rule_sets: vec![files.clone()], begins: teller.begins(), on_disk, steps: Vec::new() };
        Self { teller, story, asked: 0 }
    }

    fn tell(&mut self, random: &mut Random) -> Result<(), Difference> {
        let mut pair = Pair::new(&self.story.rule_sets[0], self.story.begins, self.story.on_disk)?;
        let length = 5 + random.below(60);
        for place in 0..length {
            let step = self.teller.next(place, random);
            while self.story.rule_sets.len() < self.teller.rule_sets.len() {
                let files = self.teller.rule_sets[self.story.rule_sets.len()].files(random);
                self.story.rule_sets.push(files);
            }
            self.story.steps.push(step.clone());
            self.asked += u64::from(matches!(step.what, What::Decide(_)));
            if random.percent(10) {
                pair.sweep(step.at);
            }
            let looks = random.percent(25) || place + 1 == length;
            let reply: Outcome = pair.play(&step, &self.story.rule_sets, looks);
            self.teller.heard(&step, &reply?);
        }
        Ok(())
    }
}
