//! Builds a rule set: reads every file, declares every name, then compiles the declarations.

use std::collections::HashMap;
use std::sync::Arc;

use super::names::{Names, intern};
use super::shape::{Form, RULE_FILE};
use super::sink::Sink;
use super::source::{self, Entry, Node, Spanned};
use super::{code, lint, reader, size, unseen};
use crate::domain::expr::FactTable;
use crate::domain::id::{ActionId, Id, IdMap, JourneyId, PurposeId, Vocabulary};
use crate::domain::index::Index;
use crate::domain::model::{Action, Declarations, Journey, Policy};
use crate::domain::rule_set::{RuleSet, contact_horizon, hash, horizon, is_test};
use crate::domain::sources::{Sources, Span};
use crate::rules::diagnostic::{Code, Diagnostic, Severity};
use crate::rules::expr::Scope;
use crate::rules::section::{action, attribute, channel, context, event, journey, policy, purpose};

/// The result of reading rule files.
#[derive(Debug)]
pub struct Loaded {
    /// The rule set, if there was no error.
    pub rule_set: Option<RuleSet>,
    /// The test files, read but not yet understood.
    pub tests: Vec<Node>,
    /// Every mistake, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read; diagnostics point into them.
    pub sources: Sources,
}

impl Loaded {
    /// How many errors and warnings there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        (errors, self.diagnostics.len() - errors)
    }
}

/// Reads rule files. Names known to `vocabulary` keep their numbers.
#[must_use]
pub fn load(sources: Sources, vocabulary: &Vocabulary) -> Loaded {
    let sink = Sink::default();
    let Some(Read { rules, tests, lost }) = read(&sources, &sink) else {
        return Loaded { rule_set: None, tests: Vec::new(), diagnostics: sink.into_sorted(), sources };
    };
    if rules.is_empty() && !sink.has_errors() {
        let help = "name a folder with rule files ending in `.yaml`";
        reader::refuse::<()>(Span::default(), code::NO_RULE_FILES, "there are no rule files here".into(), help, &sink);
    }
    let mut builder = Builder {
        vocabulary: vocabulary.clone(),
        declared: Declarations::default(),
        facts: FactTable::default(),
        sink: &sink,
        sources: &sources,
    };
    let built = builder.build(&rules);
    let Builder { vocabulary, declared, facts, .. } = builder;
    let (built, notes) = built.map_or((None, lint::Notes::default()), |(built, notes)| (Some(built), notes));
    let rule_set = built.filter(|_| !sink.has_errors()).map(|(journeys, actions, policy)| RuleSet {
        hash: hash(&sources),
        horizon: horizon(&facts, &declared, &actions, &policy),
        contact_horizon: contact_horizon(&facts, &actions, &policy),
        index: Index::new(&actions, policy.arbitration, &facts, &vocabulary),
        consents_read: facts.consents_read(),
        journeys_read: facts.journeys_read(),
        places: Arc::clone(sources.places()),
        notices: Arc::clone(sources.notices()),
        vocabulary,
        declared,
        dropped: IdMap::default(),
        journeys,
        actions,
        policy,
        facts,
    });
    if let Some(rules) = &rule_set {
        sink.extend(lint::lint(rules, &notes, &tests));
    }
    // A lint of the policy may be an error.
    let rule_set = rule_set.filter(|_| !sink.has_errors());
    Loaded { rule_set, tests, diagnostics: without_echoes(sink.into_sorted(), &lost, &sources), sources }
}

/// The parsed files.
struct Read {
    rules: Vec<Node>,
    tests: Vec<Node>,
    /// Lines that were skipped.
    lost: Vec<Span>,
}

/// Reads the YAML of every file, rules and tests separately; `None` if the files exceed a limit.
fn read(sources: &Sources, sink: &Sink) -> Option<Read> {
    if let Some(mistake) = size::check(sources) {
        sink.push(mistake);
        return None;
    }
    let (mut rules, mut tests, mut lost, mut actions) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (id, file) in sources.iter() {
        let form = Form::Map(&RULE_FILE);
        let form = Some(&form).filter(|_| !is_test(&file.path));
        let source::Reading { node, lost: unread, mut found } = source::read_as(id, &file.text, form);
        if let (Some(node), Some(form)) = (&node, form) {
            let mut unseen = unseen::check(&file.text, node, form, &|_, _| true);
            unseen.retain(|mistake| !found.iter().any(|known| known.span == mistake.span));
            found.extend(unseen);
        }
        for place in found.iter().map(|mistake| mistake.span) {
            source::words_around(&file.text, place).for_each(|word| sink.lose(id, word));
        }
        for place in &unread {
            source::words_in(&file.text, *place).for_each(|word| sink.lose(id, word));
        }
        lost.extend(unread);
        sink.extend(found);
        if sink.is_full() || sink.count(code::TOO_MANY_NODES) > 0 {
            return None;
        }
        actions += node.as_ref().map_or(0, size::count_actions);
        if let Some(file) = node.as_ref().filter(|_| actions > size::MAX_ACTIONS) {
            sink.push(size::too_many_actions(file));
            return None;
        }
        let pile = if is_test(&file.path) { &mut tests } else { &mut rules };
        pile.extend(node);
    }
    Some(Read { rules, tests, lost })
}

/// Drops consequential errors: those on a line with broken YAML, and keys reported as missing right before skipped
/// lines.
fn without_echoes(diagnostics: Vec<Diagnostic>, lost: &[Span], sources: &Sources) -> Vec<Diagnostic> {
    let lines = |span: Span| (span.file, sources.locate(span).line, sources.locate_end(span).line);
    let yaml = |diagnostic: &Diagnostic| diagnostic.code < code::UNKNOWN_KEY && diagnostic.severity == Severity::Error;
    let mut broken: Vec<_> = diagnostics.iter().filter(|found| yaml(found)).map(|found| lines(found.span)).collect();
    for (file, first, last) in lost.iter().map(|lost| lines(*lost)) {
        broken.push((file, first.saturating_sub(1), last));
    }
    let echo = |diagnostic: &Diagnostic| {
        let (file, first, last) = lines(diagnostic.span);
        let near = |(other, from, to): &(_, u32, u32)| *other == file && first <= *to && *from <= last;
        diagnostic.code >= code::UNKNOWN_KEY && broken.iter().any(near)
    };
    diagnostics.into_iter().filter(|diagnostic| !echo(diagnostic)).collect()
}

/// The sections of all files, merged.
#[derive(Default)]
struct Sections<'n> {
    purposes: Vec<&'n Entry>,
    attributes: Vec<&'n Entry>,
    context: Vec<&'n Entry>,
    events: Vec<&'n Entry>,
    channels: Vec<&'n Entry>,
    journeys: Vec<&'n Entry>,
    actions: Vec<&'n Node>,
    policy: Vec<&'n Entry>,
}

impl<'n> Sections<'n> {
    fn of(files: &'n [Node], sink: &Sink) -> Self {
        let mut sections = Self::default();
        let entries = files.iter().filter_map(|file| reader::map(file, RULE_FILE.what, sink)).flatten();
        for entry in entries {
            sections.add(entry, sink);
        }
        sections
    }

    fn refuse_duplicates(&self, sink: &Sink) {
        unique(&self.purposes, "purpose", sink);
        unique(&self.attributes, "attribute", sink);
        unique(&self.context, "context fact", sink);
        unique(&self.events, "event", sink);
        unique(&self.channels, "channel", sink);
        unique(&self.journeys, "journey", sink);
        unique(&self.policy, "policy key", sink);
    }

    fn add(&mut self, entry: &'n Entry, sink: &Sink) -> Option<()> {
        let pile = match entry.key.text.as_str() {
            "actions" => {
                self.actions.extend(reader::list(&entry.value, sink)?);
                return Some(());
            }
            "purposes" => &mut self.purposes,
            "attributes" => &mut self.attributes,
            "context" => &mut self.context,
            "events" => &mut self.events,
            "channels" => &mut self.channels,
            "journeys" => &mut self.journeys,
            "policy" => &mut self.policy,
            _ => return reader::unknown(entry.key.spanned(), "section", RULE_FILE.names(), sink),
        };
        pile.extend(reader::map(&entry.value, "this section", sink)?);
        Some(())
    }
}

type Built = (IdMap<JourneyId, Journey>, IdMap<ActionId, Action>, Policy);

struct Builder<'s> {
    vocabulary: Vocabulary,
    declared: Declarations,
    facts: FactTable,
    sink: &'s Sink,
    sources: &'s Sources,
}

impl Builder<'_> {
    fn names(&self) -> Names<'_> {
        Names { vocabulary: &self.vocabulary, declared: &self.declared, sink: self.sink }
    }

    /// Declares everything, then compiles. Continues after mistakes, to report them all.
    fn build(&mut self, files: &[Node]) -> Option<(Built, lint::Notes)> {
        let sections = Sections::of(files, self.sink);
        sections.refuse_duplicates(self.sink);
        self.declare_facts(&sections);
        self.declare_channels(&sections);
        let journeys = self.declare_journeys(&sections);
        let actions = self.declare_actions(&sections);
        self.require_sections(&sections, files);
        let journeys = self.compile_journeys(journeys);
        let (actions, allowed) = self.compile_actions(actions);
        let anybody = scope(self.names(), PurposeId(0), self.sources);
        let policy = policy::read(&sections.policy, anybody);
        let (policy, lints) = policy?;
        Some(((journeys, actions, policy), lint::Notes { lints, allowed }))
    }

    fn declare_facts(&mut self, sections: &Sections<'_>) {
        let sink = self.sink;
        for entry in &sections.purposes {
            let read = purpose::read(entry, self.sources.notices(), sink);
            let id = declare(&mut self.vocabulary, &mut self.declared.purposes, entry, read, sink);
            id.map(|id| self.declared.purpose_spans.insert(id, entry.key.span));
        }
        purpose::link(&mut self.declared.purposes, &self.vocabulary);
        for entry in &sections.attributes {
            let read = attribute::read(entry, self.names());
            declare(&mut self.vocabulary, &mut self.declared.attributes, entry, read, sink);
        }
        for entry in &sections.context {
            let read = context::read(entry, sink);
            declare(&mut self.vocabulary, &mut self.declared.context, entry, read, sink);
        }
        for entry in &sections.events {
            let read = event::read(entry, &mut self.vocabulary, &mut self.declared, sink);
            declare(&mut self.vocabulary, &mut self.declared.events, entry, read, sink);
        }
        for entry in &sections.events {
            let repairs = event::link(entry, self.names());
            let declared = self.vocabulary.find(&entry.key.text).and_then(|id| self.declared.events.get_mut(id));
            if let (Some(repairs), Some(kind)) = (repairs, declared) {
                kind.repairs = repairs;
            }
        }
    }

    fn declare_channels(&mut self, sections: &Sections<'_>) {
        for entry in &sections.channels {
            let read = channel::read(entry, self.names());
            declare(&mut self.vocabulary, &mut self.declared.channels, entry, read, self.sink);
        }
    }

    fn declare_journeys<'n>(&mut self, sections: &Sections<'n>) -> Vec<(JourneyId, &'n Entry)> {
        let mut ids = Vec::new();
        for entry in &sections.journeys {
            let head = journey::read_head(entry, &mut self.vocabulary, &self.declared, self.sink);
            let id = declare(&mut self.vocabulary, &mut self.declared.journeys, entry, head, self.sink);
            ids.extend(id.map(|id| (id, *entry)));
        }
        ids
    }

    fn declare_actions<'n>(&mut self, sections: &Sections<'n>) -> Vec<(ActionId, &'n Node)> {
        let mut ids = Vec::new();
        for node in &sections.actions {
            if self.sink.is_full() {
                break;
            }
            let Some((id, head)) = action::read_head(node, &mut self.vocabulary, &mut self.declared, self.sink) else {
                continue;
            };
            let span = head.span;
            match self.declared.actions.get(id) {
                Some(first) => twice(Spanned { text: self.vocabulary.name(id), span }, "action", first.span, self.sink),
                None => ids.push((id, *node)),
            }
            self.declared.actions.insert(id, head);
        }
        ids
    }

    fn compile_journeys(&mut self, entries: Vec<(JourneyId, &Entry)>) -> IdMap<JourneyId, Journey> {
        let mut journeys = IdMap::default();
        for (id, entry) in entries {
            let Some(head) = self.declared.journeys.get(id) else { continue };
            let names = Names { vocabulary: &self.vocabulary, declared: &self.declared, sink: self.sink };
            let scope = scope(names, head.purpose, self.sources);
            if let Some(journey) = journey::read(entry, head, scope, &mut self.facts) {
                journeys.insert(id, journey);
            }
        }
        journeys
    }

    /// The actions, and the codes of the warnings that each allows.
    fn compile_actions(
        &mut self,
        nodes: Vec<(ActionId, &Node)>,
    ) -> (IdMap<ActionId, Action>, IdMap<ActionId, Vec<Code>>) {
        let (mut actions, mut allowed) = (IdMap::default(), IdMap::default());
        for (id, node) in nodes {
            if self.sink.is_full() {
                break;
            }
            let Some(head) = self.declared.actions.get(id) else { continue };
            let names = Names { vocabulary: &self.vocabulary, declared: &self.declared, sink: self.sink };
            let scope = scope(names, head.purpose, self.sources);
            if let Some((action, allow)) = action::read(node, (id, head), scope, &mut self.facts) {
                actions.insert(id, action);
                allowed.insert(id, allow);
            }
        }
        (actions, allowed)
    }

    fn require_sections(&self, sections: &Sections<'_>, files: &[Node]) {
        let empty = [
            ("purposes", sections.purposes.is_empty(), "say why personal data may be used"),
            ("channels", sections.channels.is_empty(), "say where a conversation takes place"),
            ("actions", sections.actions.is_empty(), "say what could be said or done"),
            ("policy", sections.policy.is_empty(), "say how contacts add up, and in which time zone"),
        ];
        let Some(first) = files.first() else { return };
        let span = Span { end: first.span.start, ..first.span };
        for (name, _, why) in empty.into_iter().filter(|(name, empty, _)| *empty && !self.sink.is_broken(name)) {
            let help = format!("add `{name}:` to one of the files: {why}");
            reader::refuse::<()>(
                span,
                code::MISSING_SECTION,
                format!("no file has a section `{name}`"),
                &help,
                self.sink,
            );
        }
    }
}

fn scope<'c>(names: Names<'c>, purpose: PurposeId, sources: &'c Sources) -> Scope<'c> {
    let Names { vocabulary, declared, sink } = names;
    Scope { vocabulary, declared, purpose, event: None, about_action: false, sink, sources }
}

/// Stores a declaration under its id; of two with one name the first stays.
fn declare<I: Id, T>(
    vocabulary: &mut Vocabulary,
    declared: &mut IdMap<I, T>,
    entry: &Entry,
    read: Option<T>,
    sink: &Sink,
) -> Option<I> {
    let id: I = intern(vocabulary, entry.key.spanned(), sink)?;
    if declared.get(id).is_some() {
        return None;
    }
    let Some(read) = read else {
        sink.forgive(&entry.key.text);
        return None;
    };
    declared.insert(id, read);
    Some(id)
}

fn twice(name: Spanned<'_>, kind: &str, first: Span, sink: &Sink) {
    let message = format!("the {kind} `{}` is declared twice", name.text);
    sink.push(
        Diagnostic::error(code::DUPLICATE_ID, name.span, message)
            .help("rename or remove one of them")
            .related(first, "first declared here"),
    );
}

fn unique(entries: &[&Entry], kind: &str, sink: &Sink) {
    let mut first: HashMap<&str, Span> = HashMap::new();
    for entry in entries {
        match first.get(entry.key.text.as_str()) {
            Some(earlier) => twice(entry.key.spanned(), kind, *earlier, sink),
            None => drop(first.insert(&entry.key.text, entry.key.span)),
        }
    }
}
