//! The commands of README.md, docs/consent.md and docs/tutorial.md, run against a real server with the sample rules.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::folder;

/// A server with the sample rules, over a data folder of its own.
struct Server {
    process: Child,
    address: String,
    home: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        Self::over(&folder("rules"))
    }

    /// A server with the rules of a folder.
    fn over(rules: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_tactful"))
            .args(["serve", "--listen", "127.0.0.1:0", "--rules"])
            .arg(rules)
            .arg("--data")
            .arg(home.path().join("data"))
            .current_dir(folder("."))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let listening = lines.find(|line| line.starts_with("listening")).unwrap();
        let address = listening.split_whitespace().nth(1).unwrap().to_owned();
        // Commands may write where they are, and read the rules beside them.
        super::support::copy(rules, &home.path().join("rules"));
        Self { process, address, home }
    }

    /// What a line of shell prints; it must succeed.
    fn run(&self, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_tactful")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-c", &line.replace("127.0.0.1:50051", &self.address)])
            .env("PATH", path)
            .env("TACTFUL_SERVER", &self.address)
            .current_dir(self.home.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// The commands in the blocks of shell of a page, lines joined.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let text: String = blocks.collect();
    text.replace("\\\n", " ").lines().map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_page_on_consent_does_what_it_says() {
    let commands = commands(&std::fs::read_to_string(folder("docs/consent.md")).unwrap());
    assert_eq!(commands.len(), 12);
    let server = Server::start();
    let said: Vec<String> = commands.iter().map(|command| server.run(command)).collect();
    for (index, command, words) in [
        (0, "personalisation given", "its data may be used: until 20"),
        (1, "--records", "dpv:ConsentGiven"),
        (2, "consent anna", "given, until 20"),
        (3, "withdrawn", "its data may not be used: withdrawn"),
        (4, "--gpc", "silence"),
        (5, "consent bea", "objected"),
        (6, "export", "exported   anna: 1"),
        (7, "erase", "the key of 2 consent records"),
        (8, "verify-receipt", "eu-gdpr:A17"),
        (11, "consistency", "old 1\n"),
    ] {
        assert!(commands[index].contains(command), "{}", commands[index]);
        assert!(said[index].contains(words), "{}\n{}", commands[index], said[index]);
    }
    let notice = std::fs::read(folder("rules/notices/personalisation-v1.md")).unwrap();
    let hash = tactful::serve::identity::tokens::hex(&<sha2::Sha256 as sha2::Digest>::digest(notice).into());
    assert!(said[1].contains(&hash), "{}", said[1]);
    let page = std::fs::read_to_string(server.home.path().join("anna-export/index.html")).unwrap();
    assert!(page.contains("<html lang=\"de\">") && page.contains("Sie haben Ihre Zustimmung widerrufen"), "{page}");
}

/// Every command of the first walk, and each line that the page shows below it but for the ids.
#[test]
fn the_first_walk_of_the_readme_does_what_it_shows() {
    let page = std::fs::read_to_string(folder("README.md")).unwrap();
    let walk = page.split("## A first decision").nth(1).unwrap().split("\n## ").next().unwrap();
    let shown = walk.split("```").skip(1).step_by(2).flat_map(str::lines);
    let server = Server::start();
    let (mut said, mut run) = (String::new(), 0);
    for line in shown.filter(|line| !line.is_empty()) {
        if let Some(command) = line.strip_prefix("$ ") {
            said = server.run(command);
            run += 1;
        } else {
            let is_id = line.trim_start().starts_with("id ");
            assert!(is_id || said.lines().any(|known| known.trim_end() == line), "{line}\n{said}");
        }
    }
    assert!(run >= 8, "{run} commands");
    assert!(!page.contains("grpcurl -plaintext"), "the README needs no other client");
}

/// A block of a page: what kind, what it holds, and the last file that the text before it names.
struct Block<'p> {
    kind: &'p str,
    text: &'p str,
    file: Option<&'p str>,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let parts: Vec<&str> = page.split("```").collect();
    for pair in parts.chunks_exact(2) {
        let (kind, text) = pair[1].split_once('\n').unwrap();
        let file = pair[0].split('`').skip(1).step_by(2).filter(|word| word.starts_with("rules/")).last();
        blocks.push(Block { kind, text, file });
    }
    blocks
}

/// Runs the commands of the tutorial in an empty folder and writes its files; each line that it shows is printed.
#[test]
fn the_tutorial_goes_from_an_empty_folder_to_a_tested_journey() {
    let page = std::fs::read_to_string(folder("docs/tutorial.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_tactful")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let (mut said, mut server, mut shown) = (String::new(), None::<Server>, 0);
    for Block { kind, text, file } in blocks(&page) {
        match kind {
            "yaml" => std::fs::write(home.path().join(file.unwrap()), text).unwrap(),
            "sh" if text.starts_with("tactful serve") => server = Some(Server::over(&home.path().join("rules"))),
            "sh" => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("{{ {text} }} 2>&1")]).env("PATH", &path).current_dir(home.path());
                if let Some(server) = &server {
                    command.env("TACTFUL_SERVER", &server.address);
                }
                said = String::from_utf8(command.output().unwrap().stdout).unwrap();
            }
            _ => {
                for line in text.lines() {
                    let line = line.trim_end();
                    assert!(said.lines().any(|known| known.trim_end().starts_with(line)), "{line}\n{said}");
                    shown += 1;
                }
            }
        }
    }
    assert!(shown > 10 && server.is_some());
}
