//! The demo reaches its end: what the README promises is true on this build.
//!
//! Owns: running `demo/run` on ports of its own, and on ports that are taken.
//! Leaves to others: every check inside (`demo/`).
//! Start reading at: [`the_demo_reaches_its_end`].
use std::process::Command;

use crate::harness::broker::Broker;
use crate::harness::{Tier, free_port, root, run_any, skipped_below, tail};

/// Longer than the two minutes of a quiet machine, because tests run beside each other.
const LIMIT_S: u32 = 400;

#[test]
fn without_a_setup_the_demo_says_what_to_run() {
    let mut command = Command::new(root().join("demo/run"));
    let folder = tempfile::tempdir().expect("a folder");
    let output = run_any(command.env("LOGMILL_SETUP_DIR", folder.path()), 10);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(errors.contains("run `make demo`") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn the_demo_reaches_its_end() {
    if skipped_below(Tier::Test, "the demo") {
        return;
    }
    let mut command = Command::new(root().join("demo/run"));
    command.env("LOGMILL", env!("CARGO_BIN_EXE_logmill"));
    command.args(["--kafka-port", &free_port().to_string()]);
    command.args(["--admin-port", &free_port().to_string()]);
    let output = run_any(&mut command, LIMIT_S);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{}", tail(&said, 40), tail(&errors, 40));
    assert!(said.contains("The demo has reached its end"), "{}", tail(&said, 40));
}

/// How the demo ends when it cannot run: its last words, and what it left in its temporary folder.
fn refused(arguments: &[&str]) -> (String, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(root().join("demo/run"));
    command.env("LOGMILL", env!("CARGO_BIN_EXE_logmill")).env("TMPDIR", folder.path());
    let output = run_any(command.args(arguments), LIMIT_S);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("FAILED: ") && !errors.contains("Traceback"), "{errors}");
    (errors, std::fs::read_dir(folder.path()).expect("a folder").count())
}

#[test]
fn a_taken_port_ends_the_demo_and_nothing_is_written_to_its_owner() {
    if skipped_below(Tier::Test, "the demo beside another broker") {
        return;
    }
    let other = Broker::logmill(&[]);
    let free = free_port().to_string();
    let (kafka, admin) = (other.port.to_string(), other.admin_port.to_string());
    for (kafka, admin) in [(&kafka, &free), (&free, &admin), (&kafka, &admin)] {
        let (said, left) = refused(&["--kafka-port", kafka, "--admin-port", admin]);
        assert!(said.contains("the broker did not start"), "{said}");
        assert!(said.contains("the port is taken by"), "{said}");
        assert!(said.contains("`demo/run --kafka-port N --admin-port M`"), "{said}");
        assert_eq!(left, 0, "a folder is left behind");
    }
    let topics = run_any(other.cli().args(["topic", "ls", "--json"]), 30);
    assert_eq!(String::from_utf8_lossy(&topics.stdout).trim(), "[]");
}

#[test]
fn a_broker_that_is_not_there_ends_the_demo_with_a_sentence() {
    if skipped_below(Tier::Test, "the demo without a broker") {
        return;
    }
    let (said, _) = refused(&["--plain", &format!("127.0.0.1:{}", free_port())]);
    assert!(said.contains("FAILED: no Kafka broker answers at 127.0.0.1:"), "{said}");
}
