//! What README.md and CONTRIBUTING.md tell a reader to type works when it is typed.
//!
//! Owns: reading commands out of the documents. Leaves to others: what `make` runs (`demo`, CI).
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::harness::broker::Broker;
use crate::harness::{Tier, root, run, skipped_below};

const LIMIT_S: u32 = 60;

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("a document")
}

/// The commands of all `sh` blocks in their order, without comments, broken lines joined.
fn commands(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
            continue;
        }
        let line = line.split("  #").next().unwrap_or("").trim();
        if !inside || line.is_empty() {
            continue;
        }
        let part = line.trim_end_matches('\\').trim();
        match commands.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(&format!(" {part}")),
            None => commands.push(part.to_owned()),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

/// `hello` typed and ended, at the broker of this test instead of the one on port 9092.
fn type_in_shell(broker: &Broker, command: &str) -> String {
    let command = command.replace("127.0.0.1:9092", &broker.bootstrap());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("set -o pipefail; printf 'hello\\n' | {command}")]);
    run(shell.current_dir(root()).stdin(Stdio::null()), LIMIT_S)
}

/// A path below `data`, where a broker without settings keeps everything, is this broker's.
fn at_home(broker: &Broker, word: &str) -> String {
    let home = broker.data().display().to_string();
    match word.split_once('/') {
        None if word == "data" => home,
        Some(("data", below)) => format!("{home}/{below}"),
        _ => word.to_owned(),
    }
}

#[test]
fn the_commands_of_the_readme_work_in_their_order() {
    if skipped_below(Tier::Test, "the README's commands") {
        return;
    }
    let mut broker = Broker::logmill(&[("num.partitions", "1")]);
    let (mut typed, mut said) = (Vec::new(), String::new());
    for command in commands(&document("README.md")) {
        let mut words = command.split_whitespace();
        let program = words.next().expect("a command").to_owned();
        match program.as_str() {
            "kcat" => said.push_str(&type_in_shell(&broker, &command)),
            "logmill" => {
                let words: Vec<&str> = words.collect();
                if words[0] == "log" && broker.is_running() {
                    // It is for the logs of a broker that does not run.
                    broker.stop();
                }
                let words = words.iter().map(|word| at_home(&broker, word));
                said.push_str(&run(broker.cli().current_dir(root()).args(words), LIMIT_S));
            }
            // They build, and start what this test starts otherwise.
            "make" | "export" => continue,
            other => panic!("nothing here knows how to type {other}: {command}"),
        }
        typed.push(program);
    }
    std::io::stdout().write_all(said.as_bytes()).expect("captured");
    let count = |program: &str| typed.iter().filter(|typed| **typed == program).count();
    assert!(2 <= count("kcat") && 8 <= count("logmill"), "{typed:?}");
    assert!(said.contains("hello") && said.contains("by-airport@1 is back"), "{said}");
}

#[test]
fn targets_and_tests_that_the_documents_name_are_there() {
    let makefile = document("Makefile");
    let mut tests = String::new();
    for folder in ["src", "tests"] {
        let found = Command::new("grep")
            .args(["-rhE", "^ *(async )?fn [a-z_0-9]+\\(\\)", folder])
            .current_dir(root())
            .output()
            .expect("grep runs");
        tests.push_str(&String::from_utf8(found.stdout).expect("text"));
    }
    for name in ["README.md", "CONTRIBUTING.md"] {
        let text = document(name);
        for target in text.split("make ").skip(1).filter_map(|rest| rest.split('`').next()) {
            let target: String =
                target.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            let is_command = text.contains(&format!("`make {target}`"));
            let is_there = makefile.contains(&format!("\n{target}:"));
            assert!(!is_command || is_there, "{name}: make {target}");
        }
        for test in text.split("SEED=93 cargo test ").skip(1) {
            let test: String = test.chars().take_while(|c| !"` ".contains(*c)).collect();
            assert!(tests.contains(&format!("fn {test}")), "{name} names the test {test}");
        }
    }
}
