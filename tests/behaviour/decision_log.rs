//! The decision log: past decisions after a restart, what a denial and an erasure leave of them, damage, retention.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tactful::backup::{BackupWriter, restore};
use tactful::decision_log::{
    DecisionLog, DecisionValues, LogError, LogSettings, Loggable, LoggedDecision, OpenedLog, ReadDecision, Wanted,
};
use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::decide::Explain;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{DecisionQuery, DecisionRecord, Engine, EngineError, Limits, Question};
use tactful::ledger::{DataFolder, FileLedger, LedgerSettings};
use tactful::node::{Node, NodeError};
use tactful::rules::load;

use super::keeping::{Home, RULES, anna, kill, later, stop};
use super::support::{ask, attributes, chosen, consent, copy, files, monday};
use super::takeover::outcome;

/// The name that Anna's decisions on the phone contain.
const NAME: &str = "Anna";

fn hears_bye(engine: &Engine, now: Moment) -> Arc<DecisionRecord> {
    let decided = engine.decide(ask("anna", "phone", &[]), now).unwrap();
    assert_eq!((chosen(&decided), &*decided.decision.actions[0].text), (vec!["bye"], "bye Anna"));
    decided
}

fn withdraw(engine: &Engine, now: Moment) {
    let answer = engine.record_consent(consent("anna", "advice", ConsentStatus::Withdrawn), now).unwrap();
    assert!(answer.results[0].accepted);
}

fn list(engine: &Engine, query: DecisionQuery, now: Moment) -> Vec<Arc<DecisionRecord>> {
    let (mut found, mut query) = (Vec::new(), query);
    loop {
        let most = if query.most == 0 { 100 } else { query.most };
        let page = futures_executor::block_on(engine.past_decisions(DecisionQuery { most, ..query.clone() }, now));
        let (decisions, next) = page.unwrap();
        assert!(decisions.len() <= most);
        found.extend(decisions);
        query.before = next;
        if next.is_none() {
            return found;
        }
    }
}

fn of(customer: &str) -> DecisionQuery {
    DecisionQuery { customer: customer.into(), ..DecisionQuery::default() }
}

/// What a reader of the files and keys of a data folder finds in its log.
fn read(settings: &LedgerSettings) -> (Vec<ReadDecision>, Vec<String>) {
    let ledger = FileLedger::open(settings).unwrap().ledger;
    let OpenedLog { log, damaged, .. } = open(settings, &ledger).unwrap();
    let wanted = Wanted {
        customer: None,
        from: Moment::DISTANT_PAST,
        to: Moment::DISTANT_FUTURE,
        before: None,
        most: usize::MAX,
    };
    (log.decisions(wanted, &|_| true).unwrap().0, damaged)
}

fn open(settings: &LedgerSettings, ledger: &FileLedger) -> Result<OpenedLog, LogError> {
    DecisionLog::open(&settings.data_folder(), ledger.file_keys(), LogSettings::default(), (&[], &|_| Ok(Vec::new())))
}

/// The files of the log, without the indexes.
fn log_files(settings: &LedgerSettings) -> Vec<PathBuf> {
    let mut found = files(&settings.data_folder().decisions());
    found.retain(|path| path.extension().is_some_and(|extension| extension == DataFolder::DECISION_FILE));
    found.sort();
    found
}

#[test]
fn a_decision_is_found_as_it_was_after_a_restart() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let question = Question { request_id: "r-1".into(), max_actions: 3, ..ask("anna", "phone", &[]) };
    let said = engine.decide(question, monday()).unwrap();
    let silent = engine.decide(ask("ben", "phone", &[]), later(1)).unwrap();
    assert!(silent.decision.silence.is_some());
    stop(engine);
    let engine = home.open(later(2));
    for before in [said, silent] {
        let after = engine.decision(&before.id(), later(2)).unwrap();
        assert_eq!((&after.question, &after.decision), (&before.question, &before.decision));
        assert_eq!((after.id(), after.rule_set(), after.at), (before.id(), before.rule_set(), before.at));
    }
    let unknown = engine.decision("019cae3a-5f20-7000-9d53-6a1f0c28e4b7", later(2));
    assert!(matches!(unknown, Err(EngineError::UnknownDecision(_))));
}

#[test]
fn a_repeated_request_gets_the_decision_of_the_log_after_a_restart() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let question = Question { request_id: "r-1".into(), ..ask("anna", "phone", &[]) };
    let first = engine.decide(question.clone(), monday()).unwrap();
    stop(engine);
    let engine = home.open(later(5));
    let again = engine.decide(question.clone(), later(5)).unwrap();
    assert_eq!((again.id(), &again.decision), (first.id(), &first.decision));
    let contacts = engine.export("anna", later(5)).unwrap().state.relation().contacts.len();
    assert_eq!(contacts, 2, "it counts once: hello, and this");
    let other = Question { max_actions: 2, ..question.clone() };
    assert!(matches!(engine.decide(other, later(5)), Err(EngineError::RequestIdReused(_))));
    // What was denied since is not repeated.
    withdraw(&engine, later(6));
    assert_ne!(engine.decide(question, later(6)).unwrap().id(), first.id());
}

#[test]
fn a_decision_of_other_rules_names_them_and_its_steps() {
    let home = Home::new();
    let engine = home.open(monday());
    let said = engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    stop(engine);
    let without = RULES.lines().filter(|line| !line.contains("id: hello")).collect::<Vec<_>>().join("\n");
    let engine = home.try_open(&without, later(1)).unwrap().0;
    let found = engine.decision(&said.id(), later(1)).unwrap();
    assert_eq!((chosen(&found), found.rule_set()), (vec!["hello"], said.rule_set()));
    assert_ne!(found.rule_set(), engine.rules().set.hash);
}

/// After a withdrawal was answered, a reader of all files and keys finds steps, times, rules and purposes, and no value.
#[test]
fn after_a_withdrawal_no_reader_of_files_and_keys_gets_an_older_value() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = hears_bye(&engine, monday());
    // Durable before the withdrawal: the files had it.
    stop(engine);
    let engine = home.open(later(1));
    let also_before = hears_bye(&engine, later(1));
    let ben = engine.decide(ask("ben", "web", &[]), later(1)).unwrap();
    withdraw(&engine, later(2));
    // The server is killed now: its files are what another process finds.
    let copied = Home::new();
    copy(home.0.path(), copied.0.path());
    let (found, damaged) = read(&copied.settings());
    assert!(damaged.is_empty(), "{damaged:?}");
    for (id, has_values) in [(before.id(), false), (also_before.id(), false), (ben.id(), true)] {
        let entry = found.iter().find(|found| uuid(found) == id).unwrap();
        assert_eq!(entry.values.is_some(), has_values, "{entry:?}");
        assert!(!entry.entry.actions.is_empty() && entry.entry.purposes != 0 && entry.entry.rules != [0; 16]);
    }
    let new = engine.decide(ask("anna", "web", &[]), later(3)).unwrap();
    stop(engine);
    let engine = home.open(later(4));
    let shown = engine.decision(&before.id(), later(4)).unwrap();
    assert_eq!((chosen(&shown), shown.at, shown.rule_set()), (vec!["bye"], monday(), before.rule_set()));
    assert!(!format!("{:?} {:?}", shown.decision, shown.question.context).contains(NAME));
    assert_eq!(engine.decision(&new.id(), later(4)).unwrap().decision, new.decision, "later answers stay");
}

/// A kill after the withdrawal is durable, and before the log has overwritten the values: the files of the log are those of
/// before. The next start overwrites them; what was decided since the withdrawal stays.
#[test]
fn a_kill_between_a_withdrawal_and_its_overwriting_leaves_no_older_value() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let (before, ben) = (hears_bye(&engine, monday()), engine.decide(ask("ben", "web", &[]), monday()).unwrap());
    stop(engine);
    let (log, older) = (home.settings().data_folder().decisions(), Home::new());
    copy(&log, older.0.path());
    let engine = home.open(later(1));
    withdraw(&engine, later(1));
    let after = engine.decide(ask("anna", "web", &[]), later(2)).unwrap();
    stop(engine);
    copy(older.0.path(), &log);
    let values = |id: &str| {
        let (found, damaged) = read(&home.settings());
        assert!(damaged.is_empty(), "{damaged:?}");
        found.into_iter().find(|found| uuid(found) == id).unwrap().values
    };
    assert!(values(&before.id()).is_some(), "as the kill leaves it");
    let engine = home.open(later(3));
    kill(engine);
    assert_eq!(values(&before.id()), None);
    assert!(values(&ben.id()).is_some() && values(&after.id()).is_some());
}

/// While the disk refuses a sync, health says so; what it refused is written and synced again.
#[test]
fn a_sync_that_failed_is_repeated_and_a_denial_waits_for_it() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = hears_bye(&engine, monday());
    let fault = home.settings().data_folder().decisions().join("fail-sync");
    let wait = |failing: bool| {
        while engine.decision_log_counts().unwrap().0.failing.load(Ordering::Acquire) != failing {
            futures_executor::block_on(engine.wait_logged());
        }
    };
    fs::write(&fault, "").unwrap();
    wait(true);
    let denied = engine.record_consent(consent("anna", "advice", ConsentStatus::Withdrawn), later(1)).unwrap();
    assert!(denied.results[0].accepted, "the ledger has it");
    let noted = fs::read(fault.with_file_name("denied.position")).unwrap_or_default();
    engine.write_behind().unwrap();
    assert_eq!(fs::read(fault.with_file_name("denied.position")).unwrap_or_default(), noted, "the denial is not done");
    fs::remove_file(&fault).unwrap();
    wait(false);
    engine.write_behind().unwrap();
    assert_ne!(fs::read(fault.with_file_name("denied.position")).unwrap(), noted, "now it is");
    stop(engine);
    let (found, damaged) = read(&home.settings());
    assert!(damaged.is_empty(), "{damaged:?}");
    assert_eq!(found.iter().find(|found| uuid(found) == before.id()).unwrap().values, None);
}

/// An archive that lacks them would look complete.
#[test]
fn an_export_whose_past_decisions_cannot_be_read_is_refused() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = hears_bye(&engine, monday());
    stop(engine);
    let engine = home.open(later(1));
    let files = log_files(&home.settings());
    let away = |path: &PathBuf| path.with_extension("away");
    files.iter().for_each(|path| fs::rename(path, away(path)).unwrap());
    let refused = engine.export("anna", later(2)).unwrap_err();
    assert!(matches!(&refused, EngineError::LogUnavailable(why) if why.contains("decisions")), "{refused}");
    files.iter().for_each(|path| fs::rename(away(path), path).unwrap());
    let export = engine.export("anna", later(2)).unwrap();
    assert!(export.decisions.iter().any(|decision| decision.id() == before.id()));
}

/// The log lost the decision with the killed process; the contact log knows that the request was answered.
#[test]
fn a_decision_that_was_lost_with_a_process_is_made_again_and_says_replaced() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    stop(engine);
    let engine = home.open(later(1));
    let question = Question { request_id: "r-1".into(), ..ask("anna", "phone", &[]) };
    let first = engine.decide(question.clone(), later(1)).unwrap();
    assert!(!first.replaced);
    kill(engine);
    fs::remove_file(log_files(&home.settings()).pop().unwrap()).unwrap();
    let engine = home.open(later(2));
    let again = engine.decide(question.clone(), later(2)).unwrap();
    assert!(again.replaced && again.id() != first.id());
    let contacts = engine.export("anna", later(2)).unwrap().state.relation().contacts.clone();
    assert_eq!(contacts.iter().filter(|held| held.counts(later(2))).count(), 2, "hello, and this once");
    let repeated = engine.decide(question, later(3)).unwrap();
    assert_eq!(repeated.id(), again.id());
}

fn uuid(found: &ReadDecision) -> String {
    tactful::engine::DecisionId::of_bytes(found.entry.id).to_string()
}

#[test]
fn a_purge_makes_older_values_unreadable_too() {
    let home = Home::new();
    let engine = home.open(monday());
    let mut given = consent("anna", "advice", ConsentStatus::Given);
    given.changes[0].valid_until = Some(monday() + Period(10 * Period::DAY.0));
    engine.record_consent(given, monday()).unwrap();
    engine.set_attributes(attributes("anna", &[("customer.name", Value::Text(NAME.into()))]), monday()).unwrap();
    let before = hears_bye(&engine, monday());
    // The consent has ended, and the name is purged.
    engine.decide(ask("anna", "web", &[]), monday() + Period(11 * Period::DAY.0)).unwrap();
    stop(engine);
    let (found, _) = read(&home.settings());
    let entry = found.iter().find(|found| uuid(found) == before.id()).unwrap();
    assert_eq!((&entry.values, entry.entry.actions.len()), (&None, 1));
}

#[test]
fn an_erasure_leaves_nothing_in_the_log_and_no_older_copy_brings_it_back() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let (before, ben) = (hears_bye(&engine, monday()), engine.decide(ask("ben", "web", &[]), monday()).unwrap());
    engine.record_outcomes(vec![outcome(&before.id(), "anna", "bye", Outcome::Accepted)], monday()).unwrap();
    stop(engine);
    let older = Home::new();
    copy(home.0.path(), older.0.path());
    let engine = home.open(later(1));
    // In flight: it waits to be written when the erasure begins.
    hears_bye(&engine, later(1));
    engine.erase("anna", later(2)).unwrap();
    assert!(list(&engine, of("anna"), later(2)).is_empty());
    assert!(matches!(engine.decision(&before.id(), later(2)), Err(EngineError::UnknownDecision(_))));
    assert!(engine.export("anna", later(2)).unwrap().decisions.is_empty());
    stop(engine);
    let pseudonym = |home: &Home| {
        let ledger = FileLedger::open(&home.settings()).unwrap().ledger;
        ledger.file_keys().pseudonyms().of("anna").0
    };
    let known_as = pseudonym(&home);
    let told = |folder: &Path| {
        let logged = files(&folder.join("data/decisions"));
        let has = |path: &Path| fs::read(path).unwrap().windows(20).any(|bytes| bytes == known_as);
        logged.iter().filter(|path| path.extension().unwrap() == "said" && has(path)).count()
    };
    assert_eq!((told(older.0.path()), told(home.0.path())), (1, 0));
    // The data of before with the keys of now.
    fs::remove_dir_all(home.settings().data).unwrap();
    copy(&older.settings().data, &home.settings().data);
    let node = Node::open(LedgerSettings { accept_older: true, ..home.settings() }).unwrap();
    assert!(
        node.log_repairs.iter().any(|repair| repair.starts_with("3 entries of erased customers")),
        "{:?}",
        node.log_repairs
    );
    drop(node);
    assert_eq!(told(home.0.path()), 0);
    let engine = home.open(later(3));
    assert!(list(&engine, of("anna"), later(3)).is_empty());
    assert_eq!(engine.decision(&ben.id(), later(3)).unwrap().decision, ben.decision, "others stay");
}

#[test]
fn a_list_is_filtered_paged_and_complete() {
    let home = Home::new();
    let engine = home.open(monday());
    let said = |who: &str, channel: &str, minute| engine.decide(ask(who, channel, &[]), later(minute)).unwrap().id();
    engine.record_consent(consent("anna", "advice", ConsentStatus::Given), monday()).unwrap();
    let name = attributes("anna", &[("customer.name", Value::Text(NAME.into()))]);
    engine.set_attributes(name, monday()).unwrap();
    let mut made = vec![hears_bye(&engine, monday()).id()];
    for minute in 1..30 {
        let (who, channel) = if minute % 3 == 0 { ("ben", "web") } else { ("anna", "phone") };
        made.push(said(who, channel, minute));
        if minute == 15 {
            withdraw(&engine, later(15));
        }
    }
    let ids =
        |query: DecisionQuery| list(&engine, query, later(60)).iter().map(|record| record.id()).collect::<Vec<_>>();
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(ids(DecisionQuery::default()), newest_first);
    for most in [1, 7, 500] {
        assert_eq!(ids(DecisionQuery { most, ..DecisionQuery::default() }), newest_first, "pages of {most}");
    }
    let of_anna: Vec<String> = (0..30).rev().filter(|at| at % 3 != 0 || *at == 0).map(|at| made[at].clone()).collect();
    assert_eq!(ids(DecisionQuery { most: 4, ..of("anna") }), of_anna);
    assert_eq!(ids(DecisionQuery { channel: "web".into(), ..of("anna") }), Vec::<String>::new());
    let some = DecisionQuery { from: Some(later(10)), to: Some(later(20)), ..DecisionQuery::default() };
    assert_eq!(ids(some), newest_first[10..20]);
    let said = ids(DecisionQuery { action: "bye".into(), ..DecisionQuery::default() });
    assert!(said.contains(&made[0]) && said.len() < made.len());
    for wrong in [DecisionQuery { action: "nope".into(), ..of("") }, DecisionQuery { channel: "nope".into(), ..of("") }]
    {
        let refused = futures_executor::block_on(engine.past_decisions(wrong, monday()));
        assert!(matches!(refused, Err(EngineError::Invalid(_))), "{refused:?}");
    }
    stop(engine);
    let engine = home.open(later(61));
    assert_eq!(list(&engine, DecisionQuery::default(), later(61)).len(), 30);
    let shown = list(&engine, of("anna"), later(61));
    assert!(
        shown
            .iter()
            .filter(|record| record.at <= later(15))
            .all(|record| !format!("{:?}", record.decision).contains(NAME))
    );
}

#[test]
fn the_export_has_the_decisions_of_the_log() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = hears_bye(&engine, monday());
    stop(engine);
    let engine = home.open(monday() + Period(3 * Period::DAY.0));
    let now = monday() + Period(3 * Period::DAY.0);
    let full = Question { explain: Explain::Full, ..ask("anna", "phone", &[]) };
    let explained = engine.decide(full, now).unwrap();
    engine.decide(ask("ben", "web", &[]), now).unwrap();
    let exported = engine.export("anna", now).unwrap().decisions;
    let ids: Vec<String> = exported.iter().skip(1).map(|record| record.id()).collect();
    assert_eq!(ids, [before.id(), explained.id()], "oldest first, one entry each");
    assert_eq!(exported[1].decision, before.decision);
    assert!(exported[2].explanation().is_some(), "it is still in memory");
}

/// Flips one bit or cuts the file at many places: the start succeeds, says so, and all other decisions are found.
#[test]
fn a_cut_or_flipped_file_loses_only_what_was_hit_and_says_so() {
    let home = Home::new();
    let engine = home.open(monday());
    let ids: Vec<String> = (0..20)
        .map(|number| engine.decide(ask(&format!("customer-{number}"), "web", &[]), later(number)).unwrap().id())
        .collect();
    stop(engine);
    let path = log_files(&home.settings()).remove(0);
    let whole = fs::read(&path).unwrap();
    let found = |home: &Home| {
        let (found, damaged) = read(&home.settings());
        let whole = |entry: &&ReadDecision| entry.values.is_some() && entry.customer.is_some();
        let lost = ids.iter().filter(|id| !found.iter().filter(whole).any(|entry| uuid(entry) == **id));
        (lost.count(), damaged)
    };
    assert_eq!(found(&home), (0, Vec::new()));
    let entry = (whole.len() - 192) / 20;
    for at in (0..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        // As after a kill; with its index, damage is met when it is read.
        for index in files(&home.settings().data_folder().decisions()) {
            if index.extension().is_some_and(|extension| extension == "index") {
                fs::remove_file(index).unwrap();
            }
        }
        let (lost, damaged) = found(&home);
        match at {
            // Where the key lies in the header, all values are lost with it; some bytes are of no use.
            0..192 => assert!(lost == 0 || lost == 20 && !damaged.is_empty(), "{at}: {lost} {damaged:?}"),
            _ => assert_eq!(lost, 1, "{at}: {damaged:?}"),
        }
    }
    for cut in [whole.len() - 1, whole.len() - entry, whole.len() / 2, 200, 192, 100, 1, 0] {
        fs::write(&path, &whole[..cut]).unwrap();
        let (lost, damaged) = found(&home);
        let at_most = (whole.len() - cut) / entry + 2;
        assert!((1..=at_most.min(20)).contains(&lost), "{cut}: {lost}");
        assert!(!damaged.is_empty(), "{cut}");
    }
    let engine = home.open(later(60));
    assert!(
        !chosen(&engine.decide(ask("zoe", "web", &[]), later(60)).unwrap()).is_empty(),
        "the server starts and goes on"
    );
}

#[test]
fn damage_that_is_met_later_is_counted_and_loses_one_decision() {
    let home = Home::new();
    let engine = home.open(monday());
    let ids: Vec<String> =
        (0..20).map(|number| engine.decide(ask("anna", "web", &[]), later(number)).unwrap().id()).collect();
    stop(engine);
    let path = log_files(&home.settings()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let ledger = FileLedger::open(&home.settings()).unwrap().ledger;
    let log = open(&home.settings(), &ledger).unwrap().log;
    let wanted = |customer| Wanted { customer, from: Moment(0), to: Moment::DISTANT_FUTURE, before: None, most: 100 };
    for customer in [None, Some("anna")] {
        let (found, _) = log.decisions(wanted(customer), &|_| true).unwrap();
        let whole = found.iter().filter(|entry| entry.values.is_some() && entry.customer.is_some()).count();
        assert_eq!(whole, ids.len() - 1);
    }
}

#[test]
fn a_log_of_a_later_version_is_refused_by_name_and_unchanged() {
    let home = Home::new();
    let engine = home.open(monday());
    engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    stop(engine);
    let path = log_files(&home.settings()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] = b'2';
    let sum = crc32c(&[&bytes[..8], &bytes[168..176]].concat());
    bytes[176..180].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Node::open(home.settings()).unwrap_err();
    assert!(matches!(&refused, NodeError::Log(LogError::Newer { found: 2, known: 1, .. })), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains(&*path.to_string_lossy()) && told.contains("format 2"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

fn with_log(home: &Home, settings: LogSettings, now: Moment) -> Engine {
    let node = Node::open_logging(home.settings(), settings).unwrap();
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    let rules = Arc::new(load(sources, &node.vocabulary).rule_set.unwrap());
    node.engine(rules, Limits { decisions: 1 }, None, now)
}

#[test]
fn entries_are_removed_by_age_and_by_size() {
    let home = Home::new();
    let age = LogSettings { age: Period(10 * Period::DAY.0), ..LogSettings::default() };
    let days = |days: i64| monday() + Period(days * Period::DAY.0);
    let mut ids = Vec::new();
    for day in 0..4 {
        let engine = with_log(&home, age, days(day * 5));
        for _ in 0..40 {
            ids.push(engine.decide(ask("anna", "web", &[]), days(day * 5)).unwrap().id());
        }
        stop(engine);
    }
    let engine = with_log(&home, age, days(16));
    engine.sweep(days(16));
    let kept = list(&engine, DecisionQuery::default(), days(16)).len();
    assert_eq!(kept, 80, "those of day 10 and 15");
    assert!(matches!(engine.decision(&ids[0], days(16)), Err(EngineError::UnknownDecision(_))));
    stop(engine);
    let bytes =
        |home: &Home| log_files(&home.settings()).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>();
    let half = LogSettings { bytes: bytes(&home) / 2 + 1_000, ..age };
    let engine = with_log(&home, half, days(16));
    engine.sweep(days(16));
    assert_eq!(list(&engine, DecisionQuery::default(), days(16)).len(), 40, "the newest");
    stop(engine);
    assert!(bytes(&home) <= half.bytes);
}

#[test]
fn a_backup_and_a_restore_carry_the_log() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let (before, ben) = (hears_bye(&engine, monday()), engine.decide(ask("ben", "web", &[]), monday()).unwrap());
    let to = home.0.path().join("backup");
    let mut backup = BackupWriter::begin(&to).unwrap();
    engine.back_up(&mut |name: &str, bytes: Vec<u8>| backup.add(name, &bytes).map_err(io::Error::other)).unwrap();
    backup.finish().unwrap();
    engine.erase("ben", later(1)).unwrap();
    stop(engine);
    let other = Home::new();
    copy(&home.settings().keys, &other.settings().keys);
    restore(&to, &LedgerSettings { accept_older: true, ..other.settings() }, false).unwrap();
    let engine = other.open(later(2));
    assert_eq!(engine.decision(&before.id(), later(2)).unwrap().decision, before.decision);
    assert!(engine.decision(&ben.id(), later(2)).is_err(), "erased after the backup");
}

/// Wrapped by another key, and the old one destroyed: what is in the log stays readable.
#[test]
fn a_rotation_of_the_wrapping_key_keeps_the_log_readable() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = hears_bye(&engine, monday());
    stop(engine);
    let old = fs::read(home.settings().keys.join("secrets")).unwrap();
    FileLedger::rotate_key(&home.settings()).unwrap();
    assert_ne!(fs::read(home.settings().keys.join("secrets")).unwrap(), old);
    let engine = home.open(later(1));
    assert_eq!(engine.decision(&before.id(), later(1)).unwrap().decision, before.decision);
    stop(engine);
    // With the key of before, nothing in the files opens any more.
    fs::write(home.settings().keys.join("secrets"), old).unwrap();
    let keys = |secrets: &LedgerSettings| FileLedger::open(secrets).map(drop);
    assert!(keys(&home.settings()).is_err());
}

#[derive(Debug)]
struct Panics;

impl Loggable for Panics {
    fn customer(&self) -> &str {
        "anna"
    }

    fn describe(&self, _: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        panic!("planted: the log's thread panics");
    }
}

#[test]
fn a_thread_that_has_ended_is_told_and_nobody_waits_for_it() {
    let home = Home::new();
    let ledger = FileLedger::open(&home.settings()).unwrap().ledger;
    let log = open(&home.settings(), &ledger).unwrap().log;
    assert_eq!(log.ended_thread(), None);
    log.decided(Arc::new(Panics));
    assert!(log.erase("anna").is_ok() || log.erase("anna").is_err());
    while log.ended_thread().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(log.ended_thread(), Some("decision-log"));
}

#[test]
fn decisions_in_memory_are_bounded_by_bytes_and_found_in_the_log() {
    let home = Home::new();
    let engine = with_log(&home, LogSettings::default(), monday());
    anna(&engine);
    let full = Question { explain: Explain::Full, ..ask("anna", "phone", &[]) };
    let first = engine.decide(full.clone(), monday()).unwrap();
    let held = Arc::downgrade(&first);
    let (id, decision) = (first.id(), first.decision.clone());
    drop(first);
    for number in 0..200 {
        engine
            .decide(Question { request_id: format!("r-{number}").as_str().into(), ..full.clone() }, later(1))
            .unwrap();
    }
    assert!(held.upgrade().is_none(), "one a shard is kept");
    assert_eq!(list(&engine, of("anna"), later(2)).len(), 202);
    let found = engine.decision(&id, later(2)).unwrap();
    assert_eq!((&found.decision, found.explanation().is_none()), (&decision, true));
}

/// The log's thread writes every 200 ms: a decision that leaves memory before is waited for.
#[test]
fn a_decision_that_left_memory_is_found_before_the_log_has_it() {
    let home = Home::new();
    let engine = with_log(&home, LogSettings::default(), monday());
    anna(&engine);
    for round in 0..20 {
        let first = engine.decide(ask("anna", "phone", &[]), later(round)).unwrap();
        let (id, decision) = (first.id(), first.decision.clone());
        drop(first);
        // Memory keeps one of each shard.
        for other in 0..100 {
            engine.decide(ask(&format!("other-{other}"), "phone", &[]), later(round)).unwrap();
        }
        assert_eq!(
            engine.decision(&id, later(round)).map(|found| found.decision.clone()),
            Ok(decision),
            "round {round}"
        );
    }
}

#[test]
fn a_decision_that_was_taken_back_is_not_in_the_log() {
    let home = Home::new();
    let ledger = FileLedger::open(&home.settings()).unwrap().ledger;
    let log = open(&home.settings(), &ledger).unwrap().log;
    let made = Arc::new(Made([7; 16]));
    log.decided(Arc::clone(&made) as _);
    log.decided(Arc::new(Made([9; 16])));
    log.take_back("anna", u64::from_be_bytes([7; 8]));
    assert!(futures_executor::block_on(log.done()));
    let found = |byte| log.decision(Moment(i64::from(byte) * 0x0101_0101_0101), u64::from_be_bytes([byte; 8])).unwrap();
    assert_eq!((found(7), found(9).is_some()), (None, true));
}

#[derive(Debug)]
struct Made([u8; 16]);

impl Loggable for Made {
    fn customer(&self) -> &str {
        "anna"
    }

    fn describe(&self, entry: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        let [a, b, c, d, e, f, ..] = self.0;
        let at = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        entry(LoggedDecision { id: self.0, at, ..LoggedDecision::default() }, &DecisionValues::default());
    }
}

/// `FIXTURE=tests/fixtures/decisions/version-N cargo test --test behaviour write_a_log -- --ignored`, before the first
/// change for the next version.
#[test]
#[ignore = "writes a fixture"]
fn write_a_log_of_this_version() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let said = hears_bye(&engine, monday());
    engine.record_outcomes(vec![outcome(&said.id(), "anna", "bye", Outcome::Accepted)], later(1)).unwrap();
    engine.decide(ask("ben", "phone", &[]), later(2)).unwrap();
    withdraw(&engine, later(3));
    engine.decide(ask("ben", "web", &[]), later(4)).unwrap();
    stop(engine);
    copy(home.0.path(), Path::new(&std::env::var("FIXTURE").unwrap()));
}

#[test]
fn a_log_of_version_1_is_read() {
    let home = Home::new();
    copy(&super::support::folder("tests/fixtures/decisions/version-1"), home.0.path());
    let engine = home.open(later(60));
    let found = list(&engine, DecisionQuery::default(), later(60));
    let told: Vec<(&str, &str, bool)> = found
        .iter()
        .map(|record| {
            let action = chosen(record).first().copied().unwrap_or("");
            (record.question.customer.as_str(), action, format!("{:?}", record.decision).contains(NAME))
        })
        .collect();
    let expected = [("ben", "hello", false), ("ben", "", false), ("anna", "bye", false), ("anna", "hello", false)];
    assert_eq!(told, expected, "the withdrawal has overwritten Anna's name");
}
