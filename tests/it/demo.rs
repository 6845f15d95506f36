//! The demo reaches its end: what the README promises is true on this build.
//!
//! Owns: running `demo/run` on ports of its own. Leaves to others: every check inside (`demo/`).
//! Start reading at: [`the_demo_reaches_its_end`].
use std::process::Command;

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
