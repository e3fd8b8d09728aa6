//! A server that watches its rule folder, and what editors, deployments and accidents do to such a folder.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tactful::clock::Clock;
use tactful::engine::{ActiveRules, Engine, Limits, Outcome};
use tactful::grpc::proto::rule_service_client::RuleServiceClient;
use tactful::grpc::proto::{self, GetRuleSetResponse};
use tactful::ledger::MemoryLedger;
use tactful::rules::code;
use tactful::serve::RULES_HEALTH;
use tactful::serve::reload::{Reloader, RuleFolder};
use tokio::sync::watch::Receiver;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::support::{TestServer, ask, chosen, engine, monday, rules};
use super::versions::{files, write};

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A version as one file.
fn whole(version: usize) -> String {
    let [base, actions, _] = files(version).try_into().unwrap();
    base.1 + &actions.1
}

struct Watched {
    root: tempfile::TempDir,
    server: TestServer,
    readings: Receiver<Arc<ActiveRules>>,
}

impl Watched {
    /// Watches `rules` under a new root, in which `prepare` puts version 0.
    async fn start(prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let server = TestServer::watching(&root.path().join("rules")).await;
        let readings = server.engine.readings();
        Self { root, server, readings }
    }

    /// The rules in one file.
    async fn of_one_file() -> Self {
        Self::start(|root| {
            fs::create_dir(root.join("rules")).unwrap();
            fs::write(root.join("rules/rules.yaml"), whole(0)).unwrap();
        })
        .await
    }

    fn rules(&self) -> std::path::PathBuf {
        self.root.path().join("rules")
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&ActiveRules) -> bool) -> Arc<ActiveRules> {
        let reading = tokio::time::timeout(PATIENCE, self.readings.wait_for(|active| wanted(active))).await;
        let Ok(Ok(active)) = reading.map(|found| found.map(|active| Arc::clone(&active))) else {
            panic!(
                "waited in vain until {what}; now {}: {:#?}",
                self.server.engine.rules(),
                self.server.engine.rules().reading
            );
        };
        active
    }

    /// Waits until a version and its file status are in force; returns its files.
    async fn until_version(&mut self, version: usize) -> Vec<String> {
        let text = format!("version {version}");
        let active = self
            .until(&text, |active| {
                !active.refused()
                    && active
                        .set
                        .vocabulary
                        .find(&format!("only-{version}"))
                        .is_some_and(|id| active.set.actions.get(id).is_some())
            })
            .await;
        let decision = self.server.engine.decide(ask("anna", "web", &[]), monday()).unwrap();
        assert_eq!((chosen(&decision), &*decision.decision.actions[0].text), (vec!["common"], text.as_str()));
        let files = active.set.places.paths().map(|path| active.set.places.relative(path).to_owned());
        files.collect()
    }

    async fn rule_set(&self) -> GetRuleSetResponse {
        let mut client = RuleServiceClient::new(self.server.channel.clone());
        client.get_rule_set(proto::GetRuleSetRequest {}).await.unwrap().into_inner()
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

/// Writes a text to a file.
type Writer = fn(&Path, &str);

/// How programs write a file: each leaves behind what it leaves behind.
const WRITERS: [(&str, Writer); 8] = [
    ("a shell", |file, text| fs::write(file, text).unwrap()),
    ("vim", |file, text| {
        fs::write(file.with_file_name(".rules.yaml.swp"), "[[[").unwrap();
        fs::write(file.with_file_name("4913"), "").unwrap();
        fs::remove_file(file.with_file_name("4913")).unwrap();
        fs::rename(file, file.with_file_name("rules.yaml~")).unwrap();
        fs::write(file, text).unwrap();
    }),
    ("emacs", |file, text| {
        #[cfg(unix)]
        std::os::unix::fs::symlink("anna@desk.4711", file.with_file_name(".#rules.yaml")).unwrap();
        fs::write(file.with_file_name("#rules.yaml#"), "[[[").unwrap();
        fs::copy(file, file.with_file_name("rules.yaml.~1~")).unwrap();
        fs::write(file, text).unwrap();
    }),
    ("VS Code", |file, text| {
        let temporary = file.with_file_name("rules.yaml.vsctmp");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, file).unwrap();
    }),
    ("JetBrains", |file, text| {
        fs::write(file.with_file_name("rules.yaml___jb_tmp___"), text).unwrap();
        fs::rename(file, file.with_file_name("rules.yaml___jb_old___")).unwrap();
        fs::rename(file.with_file_name("rules.yaml___jb_tmp___"), file).unwrap();
    }),
    ("sed -i", |file, text| {
        fs::write(file.with_file_name("sedA1b2C3"), text).unwrap();
        fs::rename(file.with_file_name("sedA1b2C3"), file).unwrap();
    }),
    ("rsync", |file, text| {
        fs::write(file.with_file_name(".rules.yaml.Xy12Zz"), text).unwrap();
        fs::rename(file.with_file_name(".rules.yaml.Xy12Zz"), file).unwrap();
    }),
    ("delete and write", |file, text| {
        fs::remove_file(file).unwrap();
        fs::write(file, text).unwrap();
    }),
];

#[tokio::test]
async fn whatever_writes_a_file_is_followed_and_its_leavings_are_not_read() {
    let mut watched = Watched::of_one_file().await;
    let file = watched.rules().join("rules.yaml");
    for (number, (writer, write)) in WRITERS.iter().enumerate() {
        write(&file, &whole(number + 1));
        assert_eq!(watched.until_version(number + 1).await, ["rules.yaml"], "{writer}");
    }
    watched.stop().await;
}

#[tokio::test]
async fn a_copy_that_stalls_is_refused_and_taken_in_when_it_is_whole() {
    let mut watched = Watched::of_one_file().await;
    let text = whole(1);
    let (half, rest) = text.split_at(text.find("eligible: ['journey").unwrap() + 20);
    let mut file = fs::File::create(watched.rules().join("rules.yaml")).unwrap();
    std::io::Write::write_all(&mut file, half.as_bytes()).unwrap();
    watched.until("half a file is refused", ActiveRules::refused).await;
    let still = watched.server.engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    assert_eq!(&*still.decision.actions[0].text, "version 0");
    std::io::Write::write_all(&mut file, rest.as_bytes()).unwrap();
    watched.until_version(1).await;
    watched.stop().await;
}

#[test]
fn files_that_are_still_being_written_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    fs::write(&file, whole(0)).unwrap();
    let engine = Arc::new(engine(&rules(&folder.path().display().to_string())));
    let rule_folder = RuleFolder { path: folder.path().to_owned(), run_tests: true };
    let reloader = Reloader::new(rule_folder.clone(), rule_folder.look(), Arc::clone(&engine), Clock(Arc::new(monday)));
    let before = engine.rules().set.hash.clone();
    assert_eq!(reloader.reload_settled(None), None, "nothing has changed");
    // Cut here, a file is valid YAML and valid rules, with an action less.
    let text = whole(1);
    fs::write(&file, &text[..text.find("  - id: only").unwrap()]).unwrap();
    let half = reloader.reload_settled(None).expect("they have changed");
    fs::write(&file, &text).unwrap();
    let all = reloader.reload_settled(Some(&half)).expect("they have changed again");
    assert_eq!(engine.rules().set.hash, before);
    assert_eq!(reloader.reload_settled(Some(&all)), None, "they have come to rest");
    assert_eq!((engine.rules().set.actions.len(), engine.rules().reading.outcome), (3, Outcome::Changed));
}

/// A volume as Kubernetes mounts a ConfigMap: names → `..data/` names, `..data` → a folder with a time.
#[cfg(unix)]
fn mount(root: &Path, version: usize, time: &str) {
    use std::os::unix::fs::symlink;
    let rules = root.join("rules");
    fs::create_dir_all(rules.join(time)).unwrap();
    let old = fs::read_link(rules.join("..data")).ok();
    for (name, text) in files(version) {
        fs::write(rules.join(time).join(&name), text).unwrap();
        if fs::symlink_metadata(rules.join(&name)).is_err() {
            symlink(Path::new("..data").join(&name), rules.join(&name)).unwrap();
        }
    }
    symlink(time, rules.join("..data_tmp")).unwrap();
    fs::rename(rules.join("..data_tmp"), rules.join("..data")).unwrap();
    if let Some(old) = old {
        fs::remove_dir_all(rules.join(old)).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_config_map_is_followed_through_its_links_and_read_once() {
    let mut watched = Watched::start(|root| mount(root, 0, "..2026_03_02_09_00_00.1")).await;
    for (version, time) in
        [(2, "..2026_03_02_09_01_00.2"), (4, "..2026_03_02_09_02_00.3"), (6, "..2026_03_02_09_03_00.4")]
    {
        mount(watched.root.path(), version, time);
        let read = watched.until_version(version).await;
        assert_eq!(read, ["actions-0.yaml", "base.yaml", "common.test.yaml"]);
        let plain = tempfile::tempdir().unwrap();
        write(plain.path(), version);
        assert_eq!(rules(&plain.path().display().to_string()).hash, watched.server.engine.rules().set.hash);
    }
    watched.stop().await;
}

#[tokio::test]
async fn a_missing_folder_keeps_its_rules_in_force_until_it_is_back() {
    let mut watched = Watched::of_one_file().await;
    for version in [1, 2] {
        fs::remove_dir_all(watched.rules()).unwrap();
        let gone = watched.until("the folder is gone", ActiveRules::refused).await;
        assert_eq!(gone.reading.diagnostics[0].code, code::UNREADABLE_FILE, "{:#?}", gone.reading.diagnostics);
        let told = watched.rule_set().await;
        assert!(told.last_reload_failed && told.status.ends_with("; the files on disk have 1 error"), "{told:#?}");
        fs::create_dir(watched.rules()).unwrap();
        watched.until("the folder is empty", |active| active.reading.diagnostics[0].code == code::NO_RULE_FILES).await;
        fs::write(watched.rules().join("rules.yaml"), whole(version)).unwrap();
        watched.until_version(version).await;
    }
    watched.stop().await;
}

#[tokio::test]
async fn files_come_and_go_in_folders_that_come_and_go() {
    let mut watched = Watched::of_one_file().await;
    let deep = watched.rules().join("team/offers");
    fs::create_dir_all(&deep).unwrap();
    fs::remove_file(watched.rules().join("rules.yaml")).unwrap();
    write(&deep, 1);
    let names = ["actions-1.yaml", "base.yaml", "common.test.yaml"];
    assert_eq!(watched.until_version(1).await, names.map(|name| format!("team/offers/{name}")));
    write(&deep, 2);
    assert_eq!(watched.until_version(2).await[0], "team/offers/actions-0.yaml");
    fs::rename(watched.rules().join("team"), watched.rules().join("people")).unwrap();
    watched
        .until("the folder has another name", |active| active.set.places.paths().any(|path| path.contains("people")))
        .await;
    write(&watched.rules().join("people/offers"), 3);
    assert_eq!(watched.until_version(3).await[0], "people/offers/actions-1.yaml");
    fs::write(watched.rules().join("rules.yaml"), whole(4)).unwrap();
    watched.until("names are taken twice", ActiveRules::refused).await;
    fs::remove_dir_all(watched.rules().join("people")).unwrap();
    assert_eq!(watched.until_version(4).await, ["rules.yaml"]);
    watched.stop().await;
}

/// A link that is changed in another folder sends no event: polling finds it.
#[cfg(unix)]
#[tokio::test]
async fn a_change_without_an_event_is_found_by_polling() {
    use std::os::unix::fs::symlink;
    let mut watched = Watched::start(|root| {
        for version in 0..2 {
            fs::create_dir_all(root.join(format!("far/{version}"))).unwrap();
            write(&root.join(format!("far/{version}")), version);
        }
        symlink("0", root.join("far/current")).unwrap();
        symlink("far/current", root.join("rules")).unwrap();
    })
    .await;
    symlink("1", watched.root.path().join("far/next")).unwrap();
    fs::rename(watched.root.path().join("far/next"), watched.root.path().join("far/current")).unwrap();
    watched.until_version(1).await;
    watched.stop().await;
}

#[tokio::test]
async fn rules_that_fail_their_tests_stay_out_and_are_reported() {
    let mut watched = Watched::of_one_file().await;
    let mut health = HealthClient::new(watched.server.channel.clone());
    let mut of_rules = health.watch(HealthCheckRequest { service: RULES_HEALTH.into() }).await.unwrap().into_inner();
    let mut next = async || {
        let HealthCheckResponse { status } =
            tokio::time::timeout(PATIENCE, of_rules.message()).await.unwrap().unwrap().unwrap();
        status
    };
    assert_eq!(next().await, 1);
    let test = "tests:\n  - name: louder\n    at: 2026-03-02T10:00:00Z\n    decide: {channel: web}\n    expect: {action: only-0}\n";
    fs::write(watched.rules().join("louder.test.yaml"), test).unwrap();
    watched.until("the test fails", ActiveRules::refused).await;
    assert_eq!(next().await, 2);
    let overall = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(overall.status, 1, "the server goes on with the rules it has");

    let told = watched.rule_set().await;
    let since = format!("running {} since 2026-03-02 09:00 UTC", &told.rule_set[..8]);
    assert_eq!(told.status, format!("{since}; the files on disk fail 1 rule test"));
    let failing: Vec<_> = told.diagnostics.iter().filter(|found| found.code == "T0401").collect();
    let [failing] = failing.as_slice() else { panic!("{told:#?}") };
    assert_eq!((failing.code.as_str(), failing.file.as_str(), failing.line), ("T0401", "louder.test.yaml", 2));
    assert!(failing.message.contains("`louder` fails: action: expected only-0, got common"), "{failing:#?}");
    assert!(failing.help.contains("outranked"), "{failing:#?}");

    fs::write(watched.rules().join("wrong.yaml"), "actions: [{}, {}]").unwrap();
    watched
        .until("there are errors", |active| {
            active.reading.diagnostics.iter().all(|found| found.code != code::FAILED_TEST)
        })
        .await;
    let errors = watched.rule_set().await;
    assert_eq!(errors.status, format!("{since}; the files on disk have {} errors", errors.diagnostics.len()));

    fs::remove_file(watched.rules().join("wrong.yaml")).unwrap();
    fs::remove_file(watched.rules().join("louder.test.yaml")).unwrap();
    watched.until("all is well again", |active| !active.refused()).await;
    assert_eq!(next().await, 1);
    let told = watched.rule_set().await;
    assert_eq!((told.status, told.diagnostics.len()), (since, 0));
    drop((health, of_rules));
    watched.stop().await;
}

#[tokio::test]
async fn a_requested_reload_returns_its_outcome() {
    use tactful::grpc::proto::ReloadOutcome;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 0);
    let server = TestServer::start(rules(&folder.path().display().to_string()), folder.path().to_owned()).await;
    let mut client = RuleServiceClient::new(server.channel.clone());
    let before = server.engine.rules();
    let mut reload = async || client.reload_rules(proto::ReloadRulesRequest {}).await.unwrap().into_inner();
    let same = reload().await;
    assert_eq!((same.outcome(), &same.rule_set), (ReloadOutcome::Unchanged, &before.set.hash));
    assert!(Arc::ptr_eq(&before.set, &server.engine.rules().set), "the same rules are not put in force again");

    let base = folder.path().join("base.yaml");
    let text = fs::read_to_string(&base).unwrap();
    fs::write(&base, text.replace("hurt: {half_life: 7 days}", "hurt: {half_life: 7}")).unwrap();
    let refused = reload().await;
    assert_eq!((refused.outcome(), &refused.rule_set), (ReloadOutcome::Refused, &before.set.hash));
    let unused = "  research: {basis: consent}\n";
    fs::write(&base, text.replace("context:\n", &format!("{unused}context:\n"))).unwrap();
    let changed = reload().await;
    assert_eq!(changed.outcome(), ReloadOutcome::Changed, "{changed:#?}");
    let warned = changed.diagnostics.iter().any(|found| found.code == "T0301");
    assert!(warned, "a warning is said, and keeps nothing from coming into force");
    // The name is of the files, not of their meaning: a comment counts, a test does not.
    fs::write(&base, format!("# a comment\n{text}")).unwrap();
    assert_eq!(reload().await.outcome(), ReloadOutcome::Changed);
    let test = folder.path().join("common.test.yaml");
    fs::write(&test, format!("# a comment\n{}", fs::read_to_string(&test).unwrap())).unwrap();
    assert_eq!(reload().await.outcome(), ReloadOutcome::Unchanged);
    drop(client);
    server.stop().await;
}

#[test]
fn rule_tests_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 0);
    fs::write(
        folder.path().join("common.test.yaml"),
        "tests:\n  - {name: quiet, at: 2026-03-02T10:00:00Z, decide: {channel: web}, expect: {action: only-0}}\n",
    )
    .unwrap();
    let load = |run_tests| {
        let folder = RuleFolder { path: folder.path().to_owned(), run_tests };
        folder.load(folder.look(), &tactful::domain::id::Vocabulary::default())
    };
    assert!(load(true).rule_set.is_none());
    let set = Arc::new(load(false).rule_set.unwrap());
    let engine = Engine::new(Arc::clone(&set), Arc::new(MemoryLedger::default()), Limits::default(), monday());
    let refused = engine.reload(|_| load(true), monday());
    assert!(refused.refused() && Arc::ptr_eq(&refused.set, &set));
}
