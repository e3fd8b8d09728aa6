//! The commands of README.md, docs/consent.md and docs/tutorial.md, run against a real server with the sample rules.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::folder;

/// A server with the sample rules, over a data folder of its own.
pub struct Server {
    process: Child,
    /// Where it listens.
    pub address: String,
    /// What it printed when it started.
    greeting: String,
}

impl Server {
    /// A server that is started in a folder, as its reader would: with `rules` and `data` there.
    pub fn in_folder(home: &Path, flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tactful"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .current_dir(home)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut greeting = String::new();
        while !greeting.contains("\ntry ") {
            greeting.push_str(&lines.next().unwrap());
            greeting.push('\n');
        }
        let listening = greeting.lines().find(|line| line.starts_with("listening")).unwrap();
        let address = listening.split_whitespace().nth(1).unwrap().to_owned();
        Self { process, address, greeting }
    }

    /// What a line of shell prints in a folder; it must succeed.
    fn run(&self, home: &Path, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_tactful")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("sh")
            .args(["-c", &line.replace("127.0.0.1:50051", &self.address)])
            .env("PATH", path)
            .env("TACTFUL_SERVER", &self.address)
            .current_dir(home)
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

/// A folder with the sample rules, as in a clone of the repository.
fn clone() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    super::support::copy(&folder("rules"), &home.path().join("rules"));
    home
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
    let home = clone();
    let server = Server::in_folder(home.path(), &[]);
    let said: Vec<String> = commands.iter().map(|command| server.run(home.path(), command)).collect();
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
    let page = std::fs::read_to_string(home.path().join("anna-export/index.html")).unwrap();
    assert!(page.contains("<html lang=\"de\">") && page.contains("Sie haben Ihre Zustimmung widerrufen"), "{page}");
}

/// The text of a section of a page.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap()
}

/// From the clone to the withdrawn consent: the server as the page starts it, what it prints, every command of the first
/// walk, and each line that the page shows below it but for the ids.
#[test]
fn the_first_walk_of_the_readme_does_what_it_shows() {
    let page = std::fs::read_to_string(folder("README.md")).unwrap();
    let start = section(&page, "Start");
    let begin = commands(start).remove(0);
    // Built already: the rest of the line is what the program is given.
    let flags = begin.split('#').next().unwrap().trim().strip_prefix("cargo run --release -- serve").unwrap();
    let home = clone();
    let server = Server::in_folder(home.path(), &flags.split_whitespace().collect::<Vec<_>>());
    let shown = start.split("```\nrules ").nth(1).unwrap().split("```").next().unwrap();
    let greeting = server.greeting.replace(&server.address, "127.0.0.1:50051");
    let greeting = greeting.replace(" --server http://127.0.0.1:50051", "");
    assert_eq!(greeting.trim_end(), format!("rules {}", shown.trim_end()));

    let walk = section(&page, "A first decision");
    let (mut said, mut run) = (String::new(), Vec::new());
    for line in walk.split("```").skip(1).step_by(2).flat_map(str::lines).filter(|line| !line.is_empty()) {
        if let Some(command) = line.strip_prefix("$ ") {
            said = server.run(home.path(), command);
            run.push(command);
        } else {
            let is_id = line.trim_start().starts_with("id ");
            assert!(is_id || said.lines().any(|known| known.trim_end() == line), "{line}\n{said}");
        }
    }
    assert!(run.len() >= 8 && run.iter().all(|command| command.starts_with("tactful ")), "{run:?}");
    assert!(run.iter().any(|command| command.ends_with(" withdrawn")), "{run:?}");
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
            "sh" if text.starts_with("tactful serve") => {
                server = Some(Server::in_folder(home.path(), &text.split_whitespace().skip(2).collect::<Vec<_>>()));
            }
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
