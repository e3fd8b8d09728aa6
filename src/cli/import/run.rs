//! The import of one file: chunk by chunk, from the last place that is safe.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::line::{Entry, Line};
use super::progress::{Fingerprint, Mark, Progress, Tally};
use super::send::{Remark, Sender, Trouble, What};
use super::source::{Numbered, Place, Source};
use super::steps::{Item, MOST_COUNTED, Step, Steps};
use super::types::Declared;
use crate::cli::Failure;
use crate::cli::connection::{Connection, Server, refused};
use crate::clock::Stopwatch;
use crate::grpc::proto::GetRuleSetRequest;
use crate::grpc::proto::rule_service_client::RuleServiceClient;

/// A connection stays on one thread of the server.
pub(super) const CONNECTIONS: usize = 4;
/// The most lines and entries of a chunk.
const MOST_LINES: usize = 500;
const MOST_ENTRIES: usize = 20_000;
/// After this time a server has flushed what it acknowledged: a crash loses at most the last second.
const SETTLE: Duration = Duration::from_secs(2);
/// How often a connection that broke off is tried again, and the longest pause before it.
const MOST_TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What an import needs to know.
pub(super) struct Run<'s> {
    pub file: PathBuf,
    pub rejected: PathBuf,
    pub progress: PathBuf,
    pub at_once: usize,
    pub is_shown: bool,
    pub server: &'s Server,
}

/// A chunk of lines that are sent together.
#[derive(Default)]
struct Chunk {
    /// Each line with its number, or what is rejected of it already.
    lines: Vec<(u64, Line)>,
    steps: HashMap<String, VecDeque<Step>>,
    /// Lines that cannot be read, or not be sent.
    unsent: Vec<Rejected>,
    /// How many entries with ids each customer has in it.
    counted: HashMap<String, usize>,
    entries: usize,
    end: Place,
}

/// A line of the file of rejected lines.
#[derive(Serialize)]
#[serde(untagged)]
enum Rejected {
    Text { line: u64, reasons: Vec<String>, text: String },
    Line(Box<Line>),
}

/// A chunk that was recorded, but may be lost if the server crashes now.
struct Unsettled {
    since: Stopwatch,
    mark: Mark,
    counted: HashMap<String, usize>,
}

/// What is under way.
struct Underway<'r, 's> {
    run: &'r Run<'s>,
    declared: &'r Declared,
    source: Source,
    progress: Progress,
    now: Mark,
    unsettled: VecDeque<Unsettled>,
    /// A line that did not fit into the last chunk.
    next: Option<Numbered>,
    rejected: Option<File>,
    bar: ProgressBar,
}

impl Run<'_> {
    /// Imports the file, or what is left of it.
    pub async fn all(&self, connections: Vec<Connection>) -> Result<Tally, Failure> {
        let unreadable = |error| Failure::new(format!("`{}` cannot be read: {error}", self.file.display()));
        let input = Fingerprint::of(&self.file).map_err(unreadable)?;
        let mut progress = self.begun(input)?;
        if progress.done {
            return Ok(progress.safe.tally);
        }
        let declared = declared(connections.first()).await?;
        let mut tries = 0;
        let bar = self.bar(progress.input.bytes);
        let mut sender = Sender { connections, at_once: self.at_once, in_doubt: false };
        loop {
            let begun = progress.safe.place;
            let mut underway = Underway::begin(self, &declared, progress, bar.clone())?;
            let failure = match underway.go(&mut sender).await {
                Ok(()) => {
                    bar.finish_and_clear();
                    return Ok(underway.now.tally);
                }
                Err(Trouble::Stop(failure)) => return Err(self.stopped(failure)),
                Err(Trouble::Broken(failure)) => failure,
            };
            progress = underway.progress;
            tries = if progress.safe.place == begun { tries + 1 } else { 1 };
            if tries > MOST_TRIES {
                return Err(self.stopped(failure));
            }
            bar.set_message("the connection broke off: trying again");
            tokio::time::sleep((PAUSE * 2_u32.pow(tries)).min(LONGEST_PAUSE)).await;
        }
    }

    /// What an earlier run of the same file left, or a beginning.
    fn begun(&self, input: Fingerprint) -> Result<Progress, Failure> {
        let name = self.progress.display();
        let found = Progress::read(&self.progress).map_err(|error| {
            Failure::new(format!("`{name}` cannot be read: {error}")).help("remove it to begin again")
        })?;
        let server = self.server.address().to_owned();
        let Some(found) = found else { return Ok(Progress { input, server, ..Progress::default() }) };
        let help = format!(
            "to begin again, remove `{name}`: lines that are as they were count once, as long as the server knows their ids"
        );
        if found.input != input {
            let message = format!("`{}` has changed since its import began", self.file.display());
            return Err(Failure::new(message).help(help));
        }
        if found.server != server {
            let message = format!("the import of `{}` began with the server {}", self.file.display(), found.server);
            return Err(Failure::new(message).help(help));
        }
        Ok(found)
    }

    fn stopped(&self, failure: Failure) -> Failure {
        let help = failure.help.map_or_else(String::new, |help| format!("{help}; "));
        let help = format!("{help}then the same command goes on: `{}` says where", self.progress.display());
        Failure::new(failure.message).help(help)
    }

    fn bar(&self, bytes: u64) -> ProgressBar {
        if !self.is_shown || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = "{bar:30} {percent:>3}%  {msg}  {eta} left";
        let bar = ProgressBar::new(bytes);
        ProgressStyle::with_template(template).map_or(bar.clone(), |style| bar.with_style(style))
    }
}

async fn declared(connection: Option<&Connection>) -> Result<Declared, Failure> {
    let Some(connection) = connection else { return Ok(Declared::default()) };
    let rules = RuleServiceClient::new(connection.clone()).get_rule_set(GetRuleSetRequest {}).await;
    Ok(Declared::of(rules.map_err(|status| refused(&status))?.into_inner()))
}

impl<'r, 's> Underway<'r, 's> {
    fn begin(run: &'r Run<'s>, declared: &'r Declared, progress: Progress, bar: ProgressBar) -> Result<Self, Failure> {
        let mut source = Source::open(&run.file, declared)?;
        source.seek(progress.safe.place).map_err(|error| run.unreadable(&error))?;
        let now = progress.safe.clone();
        bar.set_position(now.place.byte);
        let (unsettled, next, rejected) = (VecDeque::new(), None, None);
        let mut underway = Self { run, declared, source, progress, now, unsettled, next, rejected, bar };
        if run.rejected.exists() {
            underway.cut_rejected().map_err(|error| run.unwritten(&run.rejected, &error))?;
        }
        Ok(underway)
    }

    /// Imports everything from here on.
    async fn go(&mut self, sender: &mut Sender) -> Result<(), Trouble> {
        let begun = Stopwatch::start();
        let lines_before = self.now.tally.lines;
        let sent_before = self.progress.sent;
        while let Some(chunk) = self.chunk().await.map_err(Trouble::Stop)? {
            sender.in_doubt = self.now.place.line < sent_before;
            self.progress.sent = self.progress.sent.max(chunk.end.line);
            self.save().map_err(Trouble::Stop)?;
            self.record(chunk, sender).await?;
            let lines = self.now.tally.lines.saturating_sub(lines_before);
            let rate = u128::from(lines) * 1_000 / begun.elapsed().as_millis().max(1);
            self.bar.set_position(self.now.place.byte);
            self.bar.set_message(format!(
                "{} lines, {} a second, {} rejected",
                HumanCount(self.now.tally.lines),
                HumanCount(u64::try_from(rate).unwrap_or(u64::MAX)),
                HumanCount(self.now.tally.rejected)
            ));
        }
        while !self.unsettled.is_empty() {
            self.settle_one().await;
        }
        self.progress.done = true;
        self.save().map_err(Trouble::Stop)
    }

    /// The next lines. A customer's entries that are not settled stay fewer than the server knows again.
    async fn chunk(&mut self) -> Result<Option<Chunk>, Failure> {
        let steps = Steps::new(self.declared);
        let mut chunk = Chunk::default();
        while chunk.lines.len() + chunk.unsent.len() < MOST_LINES && chunk.entries < MOST_ENTRIES {
            let read = match self.next.take() {
                Some(read) => Some(read),
                None => self.source.next(self.declared).map_err(|error| self.run.unreadable(&error))?,
            };
            let Some(read) = read else { break };
            if let Ok(line) = &read.line
                && line.counted() <= MOST_COUNTED
                && !self.has_room(&chunk, line)
            {
                self.next = Some(read);
                if chunk.lines.len() + chunk.unsent.len() > 0 {
                    break;
                }
                self.settle_one().await;
                continue;
            }
            chunk.add(read, &steps);
        }
        let is_empty = chunk.lines.is_empty() && chunk.unsent.is_empty();
        Ok(Some(chunk).filter(|_| !is_empty))
    }

    fn has_room(&self, chunk: &Chunk, line: &Line) -> bool {
        let before = self.unsettled.iter().map(|before| &before.counted).chain([&chunk.counted]);
        let counted: usize = before.filter_map(|counted| counted.get(&line.customer)).sum();
        counted + line.counted() <= MOST_COUNTED
    }

    /// Sends a chunk, and counts what became of it.
    async fn record(&mut self, mut chunk: Chunk, sender: &Sender) -> Result<(), Trouble> {
        let remarks = sender.send(std::mem::take(&mut chunk.steps)).await?;
        let mut rejected = chunk.tally(remarks, &mut self.now.tally);
        rejected.append(&mut chunk.unsent);
        rejected.sort_by_key(Rejected::number);
        self.now.tally.rejected += rejected.len() as u64;
        self.reject(&rejected).map_err(|error| Trouble::Stop(self.run.unwritten(&self.run.rejected, &error)))?;
        self.now.place = chunk.end;
        let (mark, counted) = (self.now.clone(), chunk.counted);
        self.unsettled.push_back(Unsettled { since: Stopwatch::start(), mark, counted });
        while self.unsettled.front().is_some_and(|first| first.since.elapsed() >= SETTLE) {
            self.settle_one().await;
        }
        Ok(())
    }

    /// Waits until the oldest chunk is settled.
    async fn settle_one(&mut self) {
        if let Some(oldest) = self.unsettled.pop_front() {
            tokio::time::sleep(SETTLE.saturating_sub(oldest.since.elapsed())).await;
            self.progress.safe = oldest.mark;
        }
    }

    fn save(&self) -> Result<(), Failure> {
        self.progress.write(&self.run.progress).map_err(|error| self.run.unwritten(&self.run.progress, &error))
    }

    fn reject(&mut self, rejected: &[Rejected]) -> io::Result<()> {
        if rejected.is_empty() {
            return Ok(());
        }
        if self.rejected.is_none() {
            self.cut_rejected()?;
        }
        let mut text = Vec::new();
        for line in rejected {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        self.now.rejected_bytes += text.len() as u64;
        self.rejected.as_mut().map_or(Ok(()), |file| file.write_all(&text))
    }

    /// Opens the file of rejected lines, without those that will be rejected again.
    fn cut_rejected(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&self.run.rejected)?;
        file.set_len(self.now.rejected_bytes)?;
        file.seek(SeekFrom::End(0))?;
        self.rejected = Some(file);
        Ok(())
    }
}

impl Run<'_> {
    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::new(format!("`{}` cannot be read: {error}", self.file.display()))
    }

    fn unwritten(&self, path: &Path, error: &io::Error) -> Failure {
        Failure::new(format!("`{}` cannot be written: {error}", path.display()))
            .help("name another file with --rejected or --progress")
    }
}

impl Chunk {
    fn add(&mut self, read: Numbered, steps: &Steps<'_>) {
        self.end = read.end;
        let line = match read.line {
            Ok(line) => line,
            Err((why, text)) => {
                self.unsent.push(Rejected::Text { line: read.number, reasons: vec![why], text });
                return;
            }
        };
        match steps.of(&line, self.lines.len(), read.number) {
            Err(reasons) => {
                let line = Line { line: Some(read.number), reasons, ..line };
                self.unsent.push(Rejected::Line(Box::new(line)));
            }
            Ok(steps) => {
                self.entries += line.counted() + line.consents.len() + 1;
                *self.counted.entry(line.customer.clone()).or_default() += line.counted();
                let queue = self.steps.entry(line.customer.clone()).or_default();
                steps.into_iter().for_each(|step| push(queue, step));
                self.lines.push((read.number, line));
            }
        }
    }

    /// Counts what was recorded, and returns what was rejected.
    fn tally(&self, remarks: Vec<Remark>, tally: &mut Tally) -> Vec<Rejected> {
        let mut rejected: BTreeMap<usize, Vec<(Entry, String)>> = BTreeMap::new();
        tally.lines += (self.lines.len() + self.unsent.len()) as u64;
        for (_, line) in &self.lines {
            tally.consents += line.consents.len() as u64;
            tally.attributes += line.attributes.len() as u64;
            tally.events += line.events.len() as u64;
            tally.contacts += line.contacts.len() as u64;
            tally.outcomes += line.outcomes.len() as u64;
        }
        for remark in remarks {
            let Some((_, line)) = self.lines.get(remark.line) else { continue };
            let (count, lost) = match (&remark.entry, &remark.what) {
                (Entry::Attributes, What::Rejected(_)) => (&mut tally.attributes, line.attributes.len() as u64),
                (Entry::Attributes, What::NotStored(_, lost)) => (&mut tally.attributes, *lost),
                (Entry::Consent(_), _) => (&mut tally.consents, 1),
                (Entry::Event(_), _) => (&mut tally.events, 1),
                (Entry::Contact(_), _) => (&mut tally.contacts, 1),
                (Entry::Outcome(_), _) => (&mut tally.outcomes, 1),
            };
            *count = count.saturating_sub(lost);
            match remark.what {
                What::Rejected(why) => rejected.entry(remark.line).or_default().push((remark.entry, why)),
                What::NotStored(why, lost) => *tally.not_stored.entry(why.to_owned()).or_default() += lost,
            }
        }
        let lines = rejected.into_iter().filter_map(|(place, mut refused)| {
            refused.sort();
            let (number, line) = self.lines.get(place)?;
            let reasons = (0..).zip(&refused).map(|(place, _)| reason(refused.get(..=place).unwrap_or_default()));
            let reasons = reasons.collect();
            let entries: Vec<Entry> = refused.into_iter().map(|(entry, _)| entry).collect();
            Some(Rejected::Line(Box::new(Line { line: Some(*number), reasons, ..line.only(&entries) })))
        });
        lines.collect()
    }
}

/// Adds a step behind the others of a customer, or to the last one if that is of the same kind.
fn push(queue: &mut VecDeque<Step>, step: Step) {
    fn joins<T>(last: &[Item<T>], more: &[Item<T>]) -> bool {
        last.len() + more.len() <= MOST_COUNTED
            && last.first().map(|item| item.line) != more.first().map(|item| item.line)
    }
    match (queue.back_mut(), step) {
        (Some(Step::Events(last)), Step::Events(more)) if joins(last, &more) => last.extend(more),
        (Some(Step::Outcomes(last)), Step::Outcomes(more)) if joins(last, &more) => last.extend(more),
        (_, step) => queue.push_back(step),
    }
}

/// The reason of the last of these entries, with its place among those that are left of its list.
fn reason(refused: &[(Entry, String)]) -> String {
    let Some((last, why)) = refused.last() else { return String::new() };
    let list = |entry: &Entry| match entry {
        Entry::Consent(_) => "consents",
        Entry::Attributes => "attributes",
        Entry::Event(_) => "events",
        Entry::Contact(_) => "contacts",
        Entry::Outcome(_) => "outcomes",
    };
    let list = (list(last), refused.iter().filter(|(entry, _)| list(entry) == list(last)).count());
    match list {
        ("attributes", _) => why.clone(),
        (list, count) => format!("{list}[{}]: {why}", count.saturating_sub(1)),
    }
}

impl Rejected {
    fn number(&self) -> u64 {
        match self {
            Self::Text { line, .. } => *line,
            Self::Line(line) => line.line.unwrap_or_default(),
        }
    }
}
