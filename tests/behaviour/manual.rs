//! The commands of docs/consent.md, run against a real server with the sample rules.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::support::folder;

/// Every command that stands in a block of shell, lines joined.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let text: String = blocks.collect();
    text.replace("\\\n", " ").split("grpcurl ").skip(1).map(|command| format!("grpcurl {}", command.trim())).collect()
}

#[test]
fn every_command_of_the_page_on_consent_does_what_it_says() {
    let page = std::fs::read_to_string(folder("docs/consent.md")).unwrap();
    let commands = commands(&page);
    assert_eq!(commands.len(), 9);
    let names = |method: &str| commands.iter().any(|command| command.contains(method));
    assert!(["RecordConsent", "GetConsent", "ExportCustomer", "EraseCustomer", "GetCheckpoint"].into_iter().all(names));
    if Command::new("grpcurl").arg("--version").output().is_err() {
        eprintln!("grpcurl is not installed, so the commands are not run");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_tactful"))
        .args(["serve", "--rules", "rules", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path().join("data"))
        .current_dir(folder("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.find(|line| line.starts_with("listening")).unwrap();
    let address = listening.split_whitespace().nth(1).unwrap();
    let outputs: Vec<_> = commands
        .iter()
        .map(|command| {
            let command = command.replace("127.0.0.1:50051", address);
            (command.clone(), Command::new("sh").args(["-c", &command]).output().unwrap())
        })
        .collect();
    server.kill().unwrap();
    server.wait().unwrap();
    for (command, output) in &outputs {
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let told = |index: usize| String::from_utf8_lossy(&outputs[index].1.stdout).into_owned();
    assert!(told(0).contains("\"accepted\": true") && told(1).contains("dpv:ConsentGiven"));
    assert!(told(2).contains("\"usable\": true") && told(5).contains("\"chunk\""));
    assert!(told(6).contains("\"recordsShredded\": 2"), "{}", told(6));
}
