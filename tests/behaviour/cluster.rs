//! Several servers on one database, as processes: what holds over all of them, whatever stops, breaks or is slow.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::value::Kind;
use tactful::grpc::proto::{self, ConsentStatus};
use tactful::storage::migrate;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::keeping::RULES;
use super::postgres_server::Server;

/// A server process.
pub(super) struct Node {
    child: Child,
    pub(super) channel: Channel,
}

impl Node {
    pub(super) fn start(home: &Path, address: &str, named: (&str, &[(&str, String)])) -> Self {
        let rules = home.join("rules");
        if !rules.exists() {
            fs::create_dir(&rules).unwrap();
            fs::write(rules.join("rules.yaml"), RULES).unwrap();
        }
        Self::start_with(home, address, named, &["--once", "--rules", rules.to_str().unwrap()])
    }

    fn start_with(home: &Path, address: &str, (name, environment): (&str, &[(&str, String)]), flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "1", "--store", address]);
        command.args(flags).arg("--data").arg(home.join(name)).arg("--keys").arg(home.join("keys"));
        let log = fs::File::create(home.join(format!("{name}.log"))).unwrap();
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let listening = lines.into_iter().find_map(|line| Some(line.strip_prefix("listening")?.to_owned()));
        let listening = listening.unwrap_or_else(|| {
            panic!("{name} ended: {}", fs::read_to_string(home.join(format!("{name}.log"))).unwrap_or_default())
        });
        let place = listening.split_whitespace().next().unwrap().to_owned();
        let channel = Endpoint::from_shared(format!("http://{place}")).unwrap().connect_lazy();
        Self { child, channel }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Stops the process, and waits until each of its threads stands still: under load, one that waits for its turn leaves
    /// the others running for some milliseconds.
    pub(super) fn pause(&self) {
        self.signal("-STOP");
        let tasks = format!("/proc/{}/task", self.child.id());
        let stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('T') || rest.is_empty())
        };
        while !fs::read_dir(&tasks).unwrap().all(|task| stopped(task.unwrap())) {
            std::thread::yield_now();
        }
    }

    pub(super) fn resume(&self) {
        self.signal("-CONT");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Nodes on a database of their own schema.
pub(super) struct Cluster {
    pub(super) home: tempfile::TempDir,
    pub(super) address: String,
    pub(super) nodes: Vec<Node>,
}

impl Cluster {
    pub(super) fn on(server: &Server, count: usize) -> Self {
        let (home, address) = (tempfile::tempdir().unwrap(), server.schema());
        // On a thread of its own: it waits, and this one answers calls.
        std::thread::scope(|scope| {
            scope.spawn(|| migrate(&address, &home.path().join("keys")).unwrap()).join().unwrap()
        });
        let start = |index| Node::start(home.path(), &address, (&format!("node-{index}"), &[]));
        let nodes = (0..count).map(start).collect();
        Self { home, address, nodes }
    }

    pub(super) fn restart(&mut self, index: usize) {
        // The old process is gone before the next begins.
        let _old = self.nodes.remove(index);
        drop(_old);
        let node = Node::start(self.home.path(), &self.address, (&format!("node-{index}"), &[]));
        self.nodes.insert(index, node);
    }

    /// Starts another node, which reaches the database by another host.
    pub(super) fn join(&mut self, host: &str) {
        let (before, rest) = self.address.split_once('@').unwrap();
        let address = format!("{before}@{host}/{}", rest.split_once('/').unwrap().1);
        let name = format!("node-{}", self.nodes.len());
        self.nodes.push(Node::start(self.home.path(), &address, (&name, &[])));
    }

    pub(super) fn channel(&self, index: usize) -> Channel {
        self.nodes[index].channel.clone()
    }
}

pub(super) async fn ask(channel: Channel, customer: &str, on: &str) -> Result<proto::DecideResponse, Status> {
    let (customer_id, channel_name) = (customer.into(), on.into());
    let request = proto::DecideRequest { customer_id, channel: channel_name, ..Default::default() };
    Ok(DecisionServiceClient::new(channel).decide(request).await?.into_inner())
}

/// Whether something was said.
pub(super) fn spoke(answer: &proto::DecideResponse) -> bool {
    !answer.actions.is_empty()
}

pub(super) async fn tell(channel: Channel, customer: &str, status: ConsentStatus) -> Result<String, Status> {
    let changes = vec![proto::ConsentChange { purpose: "advice".into(), status: status.into(), ..Default::default() }];
    let request = proto::RecordConsentRequest { customer_id: customer.into(), changes, ..Default::default() };
    let answer = ConsentServiceClient::new(channel).record_consent(request).await?.into_inner();
    assert!(answer.results[0].accepted, "{answer:?}");
    Ok(answer.results[0].record_id.clone())
}

pub(super) async fn name(channel: Channel, customer: &str) -> Result<(), Status> {
    let attributes =
        HashMap::from([("customer.name".to_owned(), proto::Value { kind: Some(Kind::Text("Anna".into())) })]);
    let request = proto::SetAttributesRequest { customer_id: customer.into(), attributes, time_zone: String::new() };
    JourneyServiceClient::new(channel).set_attributes(request).await.map(drop)
}

pub(super) async fn records(channel: Channel, customer: &str) -> Result<Vec<String>, Status> {
    let request =
        proto::ListConsentRecordsRequest { customer_id: customer.into(), page_size: 500, ..Default::default() };
    Ok(ConsentServiceClient::new(channel).list_consent_records(request).await?.into_inner().records_json_ld)
}

/// Asks until there is an answer: a node needs some time to find its database again.
pub(super) async fn until_answered<T, F: Future<Output = Result<T, Status>>>(ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(status) => assert!(matches!(status.code(), Code::Unavailable | Code::Unknown), "{status:?}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_limit_holds_over_three_nodes_asked_at_once() {
    let Some(server) = Server::shared() else { return };
    let cluster = Cluster::on(server, 3);
    for round in 0..20 {
        let customer = format!("c{round}");
        let asked = (0..9).map(|index| ask(cluster.channel(index % 3), &customer, "web"));
        let answers = futures_util::future::join_all(asked).await;
        let spoken = answers.into_iter().filter(|answer| spoke(answer.as_ref().unwrap())).count();
        assert_eq!(spoken, 1, "{customer}");
    }
}

#[tokio::test]
async fn a_withdrawal_acknowledged_by_one_node_binds_at_the_others() {
    let Some(server) = Server::shared() else { return };
    let cluster = Cluster::on(server, 3);
    let [one, other, third] = [0, 1, 2].map(|index| cluster.channel(index));
    for round in 0..20 {
        // Each has a customer of its own: contacts raise the pressure.
        let anna = format!("anna-{round}");
        let anna = anna.as_str();
        tell(one.clone(), anna, ConsentStatus::Given).await.unwrap();
        name(other.clone(), anna).await.unwrap();
        for channel in [&one, &other, &third] {
            assert!(spoke(&ask(channel.clone(), anna, "phone").await.unwrap()), "round {round}");
        }
        // The others have the customer in memory, and were asked nothing since.
        tell(one.clone(), anna, ConsentStatus::Withdrawn).await.unwrap();
        for channel in [&other, &third, &one] {
            assert!(!spoke(&ask(channel.clone(), anna, "phone").await.unwrap()), "round {round}");
        }
        assert_eq!(records(third.clone(), anna).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_repeated_request_counts_once_at_another_node() {
    let Some(server) = Server::shared() else { return };
    let cluster = Cluster::on(server, 2);
    let request = || proto::DecideRequest {
        customer_id: "anna".into(),
        channel: "web".into(),
        request_id: "r1".into(),
        ..Default::default()
    };
    let mut first = String::new();
    for index in [0, 1, 0, 1] {
        let answer = DecisionServiceClient::new(cluster.channel(index)).decide(request()).await.unwrap().into_inner();
        assert!(spoke(&answer) && !answer.replaced, "at node {index}");
        if first.is_empty() {
            first.clone_from(&answer.decision_id);
        }
        assert_eq!(answer.decision_id, first, "at node {index}");
    }
    assert!(!spoke(&ask(cluster.channel(1), "anna", "web").await.unwrap()));
}

#[tokio::test]
async fn a_killed_node_loses_nothing_that_it_acknowledged() {
    let Some(server) = Server::shared() else { return };
    let mut cluster = Cluster::on(server, 2);
    let mut kept = Vec::new();
    for round in 0..5 {
        let (channel, mut acknowledged) = (cluster.channel(0), Vec::new());
        for index in 0..10 {
            let customer = format!("c{round}-{index}");
            let record = tell(channel.clone(), &customer, ConsentStatus::Given).await.unwrap();
            assert!(spoke(&ask(channel.clone(), &customer, "web").await.unwrap()));
            acknowledged.push((customer, record));
        }
        cluster.restart(0);
        kept.extend(acknowledged);
    }
    for (customer, record) in &kept {
        for index in [0, 1] {
            let found = records(cluster.channel(index), customer).await.unwrap();
            assert!(found.len() == 1 && found[0].contains(record), "{customer}: {found:?}");
            assert!(!spoke(&ask(cluster.channel(index), customer, "web").await.unwrap()), "{customer} was contacted");
        }
    }
}

#[tokio::test]
async fn a_node_that_stood_still_answers_by_what_happened_meanwhile() {
    let Some(server) = Server::shared() else { return };
    let cluster = Cluster::on(server, 2);
    let [one, other] = [0, 1].map(|index| cluster.channel(index));
    for _ in 0..5 {
        tell(one.clone(), "anna", ConsentStatus::Given).await.unwrap();
        until_answered(|| name(one.clone(), "anna")).await;
        assert!(spoke(&ask(one.clone(), "anna", "phone").await.unwrap()));
        cluster.nodes[0].pause();
        let waiting = tokio::spawn(ask(one.clone(), "anna", "phone"));
        tell(other.clone(), "anna", ConsentStatus::Withdrawn).await.unwrap();
        cluster.nodes[0].resume();
        // The question reached a process that did nothing before the withdrawal was acknowledged.
        assert!(!spoke(&waiting.await.unwrap().unwrap()));
        assert!(!spoke(&ask(one.clone(), "anna", "phone").await.unwrap()));
    }
}

/// Runs a command on the cluster's database.
fn tactful(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args(arguments).env("TACTFUL_STORE", &cluster.address).current_dir(cluster.home.path());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn rules_are_published_to_nodes_that_follow_them_and_rolled_back() {
    let Some(server) = Server::shared() else { return };
    let mut cluster = Cluster::on(server, 0);
    let (first, second) = (cluster.home.path().join("first"), cluster.home.path().join("second"));
    for (folder, rules) in [(&first, RULES.to_owned()), (&second, RULES.replace("id: hello", "id: welcome"))] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("rules.yaml"), rules).unwrap();
    }
    let (code, told) = tactful(&cluster, &["rules", "publish", "first"]);
    assert!(code == Some(0) && told.starts_with("published  revision 1, "), "{told}");
    assert!(tactful(&cluster, &["rules", "publish", "first"]).1.starts_with("published  revision 1 already"));
    for name in ["node-0", "node-1"] {
        let node = Node::start_with(cluster.home.path(), &cluster.address, (name, &[]), &["--published-rules"]);
        cluster.nodes.push(node);
    }
    let says = async |customer: String| {
        let mut said = Vec::new();
        for index in [0, 1] {
            let name = format!("{customer}-{index}");
            let answer = until_answered(|| ask(cluster.channel(index), &name, "web")).await;
            said.extend(answer.actions.into_iter().map(|action| action.action_id));
        }
        said
    };
    assert_eq!(says("c".into()).await, ["hello", "hello"]);
    assert!(tactful(&cluster, &["rules", "publish", "second"]).1.starts_with("published  revision 2, "));
    let until = async |expected: &str| {
        for round in 0.. {
            let said = says(format!("{expected}-{round}")).await;
            if said == [expected, expected] {
                break;
            }
        }
    };
    until("welcome").await;
    assert!(tactful(&cluster, &["rules", "rollback"]).1.starts_with("published  revision 3, the files of 1, "));
    until("hello").await;
    let (_, shown) = tactful(&cluster, &["rules", "show"]);
    assert_eq!(shown.lines().filter(|line| line.ends_with("1 file")).count(), 3, "{shown}");
    assert_eq!(shown.lines().count(), 3, "{shown}");
    assert!(tactful(&cluster, &["rules", "show", "2", "--out", "copy"]).1.starts_with("written    1 file into copy"));
    assert_eq!(
        fs::read(cluster.home.path().join("copy/rules.yaml")).unwrap(),
        fs::read(second.join("rules.yaml")).unwrap()
    );
    fs::write(first.join("rules.yaml"), "actions: [").unwrap();
    assert_eq!(tactful(&cluster, &["rules", "publish", "first"]).0, Some(1));
    assert_eq!(tactful(&cluster, &["rules", "show"]).1, shown);
}
