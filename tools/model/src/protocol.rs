//! States, steps and properties.

use std::collections::HashMap;

use stateright::{Model, Property};

/// How many nodes there are.
const NODES: usize = 2;
/// How many contacts a person may have.
const LIMIT: u8 = 1;

/// What is left to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub persons: usize,
    pub decide: u8,
    pub look: u8,
    pub grant: u8,
    pub withdraw: u8,
    pub crashes: u8,
    pub cuts: u8,
    pub restarts: u8,
}

/// What is wrong with the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// A version is the number of the write, without the random half.
    CounterAlone,
    /// What commits nothing is answered at once.
    NoCheck,
    /// Frames are inserted although the swap of their row lost.
    FramesOfLosers,
    /// A grant is in effect before its commit.
    EarlyGrant,
    /// A consent is acknowledged when it is sent.
    EarlyAnswer,
    /// A grant takes effect on the copy of its node, also on one that was loaded since it ran.
    LateGrant,
}

/// Names one write. The protocol's are never used twice; those of a counter alone are.
type Version = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Presents an offer, if consent and limit allow it; else says nothing, which is a look.
    Decide,
    /// Reads and commits nothing.
    Look,
    Grant,
    Withdraw,
}

impl Kind {
    fn is_consent(self) -> bool {
        matches!(self, Self::Grant | Self::Withdraw)
    }
}

/// What is known of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Person {
    given: bool,
    contacts: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Row {
    version: Version,
    /// Earlier versions that a caller may still ask for.
    recent: Vec<Version>,
    person: Person,
    /// What the last frame of the person says.
    framed: bool,
}

/// An operation of a node that has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Operation {
    kind: Kind,
    /// The versions of which one must be the row's: for a swap its base alone.
    bases: Vec<Version>,
    /// The version of the swap; `None` for a look.
    minted: Option<Version>,
    after: Person,
    /// Whether the answer relies on consent, and presents a contact.
    relied: bool,
    presents: bool,
    sent: bool,
    /// Whether consent was given at any moment since the operation began: then the answer may rely on it.
    was_given: bool,
    /// How many frames it has.
    frames: u8,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Node {
    copies: Vec<Option<(Version, Person)>>,
    /// For each person, operations in the order in which they ran.
    operations: Vec<Vec<Operation>>,
}

/// One operation in a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Item {
    person: usize,
    kind: Kind,
    bases: Vec<Version>,
    minted: Option<Version>,
    after: Person,
}

/// A statement on its way to the database, or its answer on the way back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Statement {
    /// The node that waits for it.
    node: Option<usize>,
    items: Vec<Item>,
    /// Whether each item is committed, once the statement has run.
    results: Option<Vec<bool>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    left: Budget,
    rows: Vec<Row>,
    /// What a crash leaves.
    durable: Vec<Row>,
    nodes: Vec<Node>,
    wire: Vec<Statement>,
    /// Contacts that were answered, and those that a crash took from a row.
    answered: Vec<u8>,
    lost: Vec<u8>,
    /// Properties that do not hold.
    relied_on_no: bool,
    framed_twice: bool,
    acknowledged_without_frame: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Begin { node: usize, person: usize, kind: Kind },
    /// Gathers what is ready for a lane into one statement.
    Send { node: usize, consents: bool },
    /// The database runs a statement.
    Run(usize),
    Receive(usize),
    /// The node gives up on a connection; the statement may still run.
    Cut(usize),
    /// What has not waited for the disk is on it.
    Flush,
    /// The database loses what is not on the disk, and every connection.
    Crash,
    Restart(usize),
}

pub struct Nodes {
    pub budget: Budget,
    pub flaw: Flaw,
}

impl Model for Nodes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let persons = self.budget.persons;
        // Everybody has consented.
        let given = Row { person: Person { given: true, contacts: 0 }, framed: true, ..Row::default() };
        let node = Node { copies: vec![None; persons], operations: vec![Vec::new(); persons] };
        vec![State {
            left: self.budget,
            rows: vec![given.clone(); persons],
            durable: vec![given; persons],
            nodes: vec![node; NODES],
            wire: Vec::new(),
            answered: vec![0; persons],
            lost: vec![0; persons],
            relied_on_no: false,
            framed_twice: false,
            acknowledged_without_frame: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = &state.left;
        for (index, node) in state.nodes.iter().enumerate() {
            for person in 0..left.persons {
                let kinds = [
                    (Kind::Decide, left.decide),
                    (Kind::Look, left.look),
                    (Kind::Grant, left.grant),
                    (Kind::Withdraw, left.withdraw),
                ];
                // One more runs on the result of the one that is under way.
                if node.operations[person].len() < 2 {
                    let kinds = kinds.iter().filter(|(_, count)| *count > 0);
                    actions.extend(kinds.map(|(kind, _)| Action::Begin { node: index, person, kind: *kind }));
                }
            }
            for consents in [false, true] {
                if !node.ready(consents).is_empty() {
                    actions.push(Action::Send { node: index, consents });
                }
            }
            if left.restarts > 0 && node.operations.iter().any(|operations| !operations.is_empty()) {
                actions.push(Action::Restart(index));
            }
        }
        for (index, statement) in state.wire.iter().enumerate() {
            actions.push(if statement.results.is_some() { Action::Receive(index) } else { Action::Run(index) });
            if left.cuts > 0 && statement.node.is_some() {
                actions.push(Action::Cut(index));
            }
        }
        if state.rows != state.durable && left.crashes > 0 {
            actions.extend([Action::Flush, Action::Crash]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin { node, person, kind } => {
                match kind {
                    Kind::Decide => state.left.decide -= 1,
                    Kind::Look => state.left.look -= 1,
                    Kind::Grant => state.left.grant -= 1,
                    Kind::Withdraw => state.left.withdraw -= 1,
                }
                let was_given = state.rows[person].person.given;
                self.begin(&mut state, (node, person), (kind, was_given, 0));
            }
            Action::Send { node, consents } => self.send(&mut state, node, consents),
            Action::Run(index) => self.run(&mut state, index),
            Action::Receive(index) => {
                let statement = state.wire.remove(index);
                self.receive(&mut state, statement);
            }
            Action::Cut(index) => {
                state.left.cuts -= 1;
                state.cut(index);
            }
            Action::Flush => state.durable = state.rows.clone(),
            Action::Crash => {
                state.left.crashes -= 1;
                for (person, (row, durable)) in state.rows.iter().zip(&state.durable).enumerate() {
                    state.lost[person] += row.person.contacts.saturating_sub(durable.person.contacts);
                }
                state.rows = state.durable.clone();
                // What had not run never will; answers may still be on their way.
                while let Some(index) = state.wire.iter().position(|statement| statement.results.is_none()) {
                    state.cut(index);
                    state.wire.remove(index);
                }
            }
            Action::Restart(node) => {
                state.left.restarts -= 1;
                let persons = state.left.persons;
                state.nodes[node] = Node { copies: vec![None; persons], operations: vec![Vec::new(); persons] };
                for statement in &mut state.wire {
                    statement.node = statement.node.filter(|of| *of != node);
                }
            }
        }
        state.wire.retain(|statement| statement.node.is_some() || statement.results.is_none());
        if self.flaw != Flaw::CounterAlone {
            state.rename_versions();
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("an answer relies only on consent that was given while it was made", |_, state: &State| {
                !state.relied_on_no
            }),
            Property::always("no limit is exceeded but for contacts that a crash lost", |_, state: &State| {
                state.answered.iter().zip(&state.lost).all(|(answered, lost)| *answered <= LIMIT + lost)
            }),
            Property::always("the last frame of a person says what the row says", |_, state: &State| {
                state.rows.iter().all(|row| row.framed == row.person.given)
            }),
            Property::always("no consent is in the ledger twice", |_, state: &State| !state.framed_twice),
            Property::always("an acknowledged consent is in the ledger", |_, state: &State| {
                !state.acknowledged_without_frame
            }),
            // That the model does anything at all.
            Property::sometimes("sometimes a contact is lost", |_, state: &State| state.lost.iter().any(|lost| *lost > 0)),
            Property::sometimes("sometimes an offer is presented", |_, state: &State| state.answered.iter().any(|n| *n > 0)),
        ]
    }
}

impl Node {
    /// The operations that may be sent now: for each person the first, and looks.
    fn ready(&self, consents: bool) -> Vec<(usize, usize)> {
        let mut ready = Vec::new();
        for (person, operations) in self.operations.iter().enumerate() {
            for (place, operation) in operations.iter().enumerate() {
                let may = place == 0 || operation.minted.is_none();
                if may && !operation.sent && operation.kind.is_consent() == consents {
                    ready.push((person, place));
                }
            }
        }
        ready
    }
}

impl State {
    /// Takes a statement from the node that waits for it; its operations are sent again.
    fn cut(&mut self, index: usize) {
        let statement = &mut self.wire[index];
        let Some(node) = statement.node.take() else { return };
        for item in statement.items.clone() {
            let waiting = self.nodes[node].operations[item.person].iter_mut();
            waiting.filter(|waiting| item.is_of(waiting)).for_each(|waiting| waiting.sent = false);
        }
    }

    /// Gives versions new numbers in the order in which they are found, and forgets those that nobody can ask for:
    /// states that differ only in the numbers are the same.
    fn rename_versions(&mut self) {
        let mut names: HashMap<Version, Version> = HashMap::new();
        let mut rename = |version: &mut Version| {
            let next = names.len() as Version;
            *version = *names.entry(*version).or_insert(next);
        };
        self.rows.iter_mut().chain(&mut self.durable).for_each(|row| rename(&mut row.version));
        for node in &mut self.nodes {
            node.copies.iter_mut().flatten().for_each(|(version, _)| rename(version));
            for operation in node.operations.iter_mut().flatten() {
                operation.bases.iter_mut().chain(&mut operation.minted).for_each(&mut rename);
            }
        }
        for item in self.wire.iter_mut().flat_map(|statement| &mut statement.items) {
            item.bases.iter_mut().chain(&mut item.minted).for_each(&mut rename);
        }
        for row in self.rows.iter_mut().chain(&mut self.durable) {
            row.recent = row.recent.iter().filter_map(|version| names.get(version).copied()).collect();
            row.recent.sort_unstable();
        }
    }
}

impl Item {
    fn is_of(&self, operation: &Operation) -> bool {
        (self.kind, self.minted, &self.bases) == (operation.kind, operation.minted, &operation.bases)
    }
}

impl Nodes {
    /// Runs an operation on the node's copy.
    fn begin(&self, state: &mut State, (node, person): (usize, usize), (kind, was_given, frames): (Kind, bool, u8)) {
        let minted = self.mint(state, (node, person));
        let row = &state.rows[person];
        let Node { copies, operations } = &mut state.nodes[node];
        let restricted = kind == Kind::Withdraw || operations[person].iter().any(|other| other.kind == Kind::Withdraw);
        let (base, mut copy) = copies[person].unwrap_or((row.version, row.person));
        copy.given &= !restricted;
        let presents = kind == Kind::Decide && copy.given && copy.contacts < LIMIT;
        let relied = presents || (kind == Kind::Look && copy.given);
        let mut after = copy;
        after.contacts += u8::from(presents);
        after.given = match kind {
            Kind::Grant => true,
            Kind::Withdraw => false,
            Kind::Decide | Kind::Look => copy.given,
        };
        let writes = presents || kind.is_consent();
        // A look may rest on what the node itself has under way.
        let under_way = operations[person].iter().flat_map(|other| other.bases.iter().chain(&other.minted)).copied();
        let mut bases: Vec<Version> = if writes { vec![base] } else { under_way.chain([base]).collect() };
        bases.sort_unstable();
        bases.dedup();
        let takes_effect_later = kind == Kind::Grant && self.flaw != Flaw::EarlyGrant;
        let shown = if takes_effect_later { copy } else { after };
        copies[person] = Some((if writes { minted } else { base }, shown));
        let minted = writes.then_some(minted);
        let operation =
            Operation { kind, bases, minted, after, relied, presents, sent: false, was_given, frames };
        if !writes && self.flaw == Flaw::NoCheck {
            state.relied_on_no |= relied && !was_given;
            return;
        }
        state.nodes[node].operations[person].push(operation);
    }

    fn mint(&self, state: &State, (node, person): (usize, usize)) -> Version {
        if self.flaw == Flaw::CounterAlone {
            let copy = state.nodes[node].copies[person].map(|(version, _)| version);
            return copy.unwrap_or(state.rows[person].version) + 1;
        }
        let rows = state.rows.iter().chain(&state.durable);
        let rows = rows.flat_map(|row| row.recent.iter().chain([&row.version])).copied();
        let copies = state.nodes.iter().flat_map(|node| node.copies.iter().flatten().map(|(version, _)| *version));
        let of = |operation: &Operation| operation.bases.iter().chain(&operation.minted).copied().max();
        let waiting = state.nodes.iter().flat_map(|node| node.operations.iter().flatten().filter_map(of));
        let items = state.wire.iter().flat_map(|statement| &statement.items);
        let items = items.flat_map(|item| item.bases.iter().chain(&item.minted).copied());
        rows.chain(copies).chain(waiting).chain(items).max().unwrap_or(0) + 1
    }

    fn send(&self, state: &mut State, node: usize, consents: bool) {
        let mut items = Vec::new();
        for (person, place) in state.nodes[node].ready(consents) {
            let operation = &mut state.nodes[node].operations[person][place];
            operation.sent = true;
            let Operation { kind, minted, after, .. } = *operation;
            items.push(Item { person, kind, bases: operation.bases.clone(), minted, after });
            if self.flaw == Flaw::EarlyAnswer && consents {
                state.acknowledged_without_frame |= operation.frames == 0;
            }
        }
        state.wire.push(Statement { node: Some(node), items, results: None });
    }

    /// One statement, one transaction.
    fn run(&self, state: &mut State, index: usize) {
        let statement = state.wire[index].clone();
        let mut results = Vec::new();
        for item in &statement.items {
            let row = &mut state.rows[item.person];
            let fits = item.bases.contains(&row.version);
            let Some(minted) = item.minted else {
                results.push(fits);
                continue;
            };
            let already = minted == row.version || row.recent.contains(&minted);
            let swapped = fits && !already;
            if swapped {
                let before = std::mem::replace(&mut row.version, minted);
                row.recent.push(before);
                row.person.contacts = item.after.contacts;
                if item.kind.is_consent() {
                    row.person.given = item.after.given;
                }
            }
            if item.kind.is_consent() && (swapped || (self.flaw == Flaw::FramesOfLosers && !already)) {
                row.framed = item.kind == Kind::Grant;
                let operations = state.nodes.iter_mut().flat_map(|node| &mut node.operations[item.person]);
                for operation in operations.filter(|operation| item.is_of(operation)) {
                    operation.frames += 1;
                    state.framed_twice |= operation.frames > 1;
                }
            }
            let given = row.person.given;
            for operation in state.nodes.iter_mut().flat_map(|node| &mut node.operations[item.person]) {
                operation.was_given |= given;
            }
            results.push(swapped || already);
        }
        if statement.items.iter().any(|item| item.kind.is_consent()) {
            // Its commit waits until everything before it is on the disk, too.
            state.durable = state.rows.clone();
        }
        state.wire[index].results = Some(results);
    }

    fn receive(&self, state: &mut State, statement: Statement) {
        let (Some(node), Some(results)) = (statement.node, statement.results) else { return };
        for (item, committed) in statement.items.iter().zip(results) {
            let operations = &mut state.nodes[node].operations[item.person];
            let Some(place) = operations.iter().position(|operation| item.is_of(operation)) else { continue };
            let operation = operations.remove(place);
            if !committed {
                state.nodes[node].copies[item.person] = None;
                self.begin(state, (node, item.person), (item.kind, operation.was_given, operation.frames));
                continue;
            }
            state.relied_on_no |= operation.relied && !operation.was_given;
            state.answered[item.person] += u8::from(operation.presents);
            state.acknowledged_without_frame |= item.kind.is_consent() && operation.frames == 0;
            // A grant takes effect on the copy that it ran on, unless a "no" came since.
            let Node { copies, operations } = &mut state.nodes[node];
            let later_no = operations[item.person].iter().any(|other| other.kind == Kind::Withdraw);
            if let (Kind::Grant, Some((version, person)), false) = (item.kind, &mut copies[item.person], later_no) {
                let follows = self.flaw == Flaw::LateGrant || follows(&operations[item.person], *version, item.minted);
                person.given |= follows;
            }
        }
    }
}

/// Whether a version is that of a swap, or of one that ran on its result.
fn follows(operations: &[Operation], mut version: Version, swap: Option<Version>) -> bool {
    while Some(version) != swap {
        let Some(before) = operations.iter().find(|operation| operation.minted == Some(version)) else { return false };
        let [base] = before.bases[..] else { return false };
        version = base;
    }
    true
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (row, answered) in self.rows.iter().zip(&self.answered) {
            writeln!(f, "  row {} {:?}, answered {answered}", row.version, row.person)?;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(f, "  node {index} {:?}", node.copies)?;
            for Operation { kind, bases, minted, presents, sent, .. } in node.operations.iter().flatten() {
                writeln!(f, "    {kind:?} {bases:?} -> {minted:?} presents {presents} sent {sent}")?;
            }
        }
        for statement in &self.wire {
            writeln!(f, "  wire {:?} {:?}", statement.node, statement.results)?;
            for Item { kind, bases, minted, .. } in &statement.items {
                writeln!(f, "    {kind:?} {bases:?} -> {minted:?}")?;
            }
        }
        Ok(())
    }
}
