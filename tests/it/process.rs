//! The process from outside: start, second start, signals, crash, doctor, command line.
//!
//! Owns: what needs no Kafka client. Leaves to others: clients and records (their own modules).
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::harness::wait::{SOON, Wait};
use crate::harness::{free_port, run_any, tail};

/// `logmill serve` on ports and a folder of its own; killed when it is dropped.
struct Process {
    child: Child,
    admin: String,
    data: PathBuf,
    log: PathBuf,
}

fn logmill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_logmill"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("LOGMILL_TOKEN_FILE");
    command
}

/// Runs to its end: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = run_any(&mut logmill(arguments), 30);
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    let code = output.status.code().expect("it ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

fn settings(kafka: u16, admin: u16, data: &Path) -> [String; 6] {
    [
        "--set".to_owned(),
        format!("listeners=PLAINTEXT://127.0.0.1:{kafka}"),
        "--set".to_owned(),
        format!("admin.listener=127.0.0.1:{admin}"),
        "--set".to_owned(),
        format!("log.dirs={}", data.display()),
    ]
}

impl Process {
    fn start(folder: &Path) -> Self {
        Self::start_on(folder, free_port(), free_port())
    }

    fn start_on(folder: &Path, kafka: u16, admin: u16) -> Self {
        Self::start_with(folder, kafka, admin, &[])
    }

    fn start_with(folder: &Path, kafka: u16, admin: u16, more: &[&str]) -> Self {
        let (data, log) = (folder.join("data"), folder.join("log"));
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = logmill(&["serve", "--set", "shards=2"]);
        command.args(settings(kafka, admin, &data)).args(more).stdin(Stdio::null());
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let child = command.spawn().unwrap();
        let mut process = Self { child, admin: format!("127.0.0.1:{admin}"), data, log };
        process.wait_for(|process| {
            run(&["health", "--admin", &process.admin]).0 == 0
                && process.log().contains("serving Kafka clients")
        });
        process
    }

    fn wait_for(&mut self, done: impl Fn(&Self) -> bool) {
        let wait = Wait::for_at_most(SOON);
        while !done(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}\n{}", tail(&self.log(), 30));
            wait.again(|| tail(&self.log(), 30));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn end(&mut self) -> ExitStatus {
        let wait = Wait::for_at_most(SOON);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            wait.again(|| format!("it does not end\n{}", tail(&self.log(), 30)));
        }
    }

    fn is_marked_clean(&self) -> bool {
        self.data.join(".kafka_cleanshutdown").exists()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stop_by_signal_is_orderly_and_a_kill_is_seen_as_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["-TERM", "-INT"] {
        let mut process = Process::start(folder.path());
        assert!(!process.is_marked_clean(), "the marker must be gone while it runs");
        process.signal(name);
        assert!(process.end().success(), "{}", process.log());
        assert!(process.is_marked_clean(), "{}", process.log());
    }
    let mut process = Process::start(folder.path());
    assert!(process.log().trim_end().lines().any(|line| line.contains("last_end=\"clean\"")));
    process.signal("-KILL");
    process.end();
    assert!(!process.is_marked_clean());
    let process = Process::start(folder.path());
    let starts = process.log();
    let last = starts.lines().rfind(|line| line.contains("logmill starts")).unwrap();
    assert!(last.contains("last_end=\"crash\""), "{last}");
    let first = starts.lines().find(|line| line.contains("logmill starts")).unwrap();
    assert!(first.contains("this is the first start"), "{first}");
}

#[test]
fn an_admin_port_that_others_reach_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let warned = |log: &str| log.contains("WARN") && log.contains("open to other machines");
    let process = Process::start(folder.path());
    assert!(!warned(&process.log()), "{}", process.log());
    drop(process);
    let (kafka, admin) = (free_port(), free_port());
    let open = format!("admin.listener=0.0.0.0:{admin}");
    let process = Process::start_with(folder.path(), kafka, admin, &["--set", &open]);
    assert!(warned(&process.log()), "{}", process.log());
}

#[test]
fn a_start_removes_what_a_deletion_left_and_names_strangers() {
    let folder = tempfile::tempdir().unwrap();
    let left = format!("data/flights-0.{}-delete", "0a".repeat(16));
    let stays = ["data/flights-7", "data/notes", "data/flights-0.0a-delete"];
    for name in [&left, stays[0], stays[1], stays[2]] {
        std::fs::create_dir_all(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("file"), "text").unwrap();
    }
    let mut process = Process::start(folder.path());
    process.wait_for(|_| !folder.path().join(&left).exists());
    for name in stays {
        assert!(folder.path().join(name).join("file").exists(), "{name}");
    }
    let told = |name: &str| {
        let log = process.log();
        log.lines().any(|line| line.contains(name) && line.contains("belongs to no topic"))
    };
    assert!(told(stays[0]) && !told(stays[1]), "{}", process.log());
}

#[test]
fn the_first_start_makes_a_private_token_and_ids_that_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let token = process.data.join("admin.token");
    let mode = std::fs::metadata(&token).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let read = |name: &str| std::fs::read(process.data.join(name)).unwrap();
    let before = (read("admin.token"), read("meta.properties"));
    process.signal("-TERM");
    process.end();
    let process = Process::start(folder.path());
    let read = |name: &str| std::fs::read(process.data.join(name)).unwrap();
    assert!(before == (read("admin.token"), read("meta.properties")));
}

#[test]
fn a_second_broker_is_told_what_the_first_one_has() {
    let folder = tempfile::tempdir().unwrap();
    let (kafka, admin) = (free_port(), free_port());
    let process = Process::start_on(folder.path(), kafka, admin);
    let owner = format!("process {} (logmill)", process.child.id());
    let start = |kafka, admin, data: &Path| {
        let settings = settings(kafka, admin, data);
        let mut arguments = vec!["serve"];
        arguments.extend(settings.iter().map(String::as_str));
        let (code, _, errors) = run(&arguments);
        assert_eq!(code, 1, "{errors}");
        errors.lines().last().unwrap_or_default().to_owned()
    };
    let other = folder.path().join("other");
    let said = start(kafka, free_port(), &other);
    let want = format!("logmill: Cannot listen on 127.0.0.1:{kafka}: the port is taken by {owner}");
    assert!(said.starts_with(&want), "{said}");
    assert!(said.ends_with("--set listeners=PLAINTEXT://127.0.0.1:PORT."), "{said}");
    let said = start(free_port(), admin, &other);
    let want = format!("logmill: Cannot listen on 127.0.0.1:{admin}: the port is taken by {owner}");
    assert!(said.starts_with(&want), "{said}");
    assert!(!other.exists(), "a refused start leaves nothing behind");
    let said = start(free_port(), free_port(), &process.data);
    assert!(said.contains(&format!("is in use by {owner}")), "{said}");
}

#[test]
fn a_bad_setting_or_file_is_one_sentence() {
    let cases: [(&[&str], &str); 4] = [
        (&["serve", "--set", "listners=x"], "did you mean `listeners`"),
        (&["serve", "--config", "/no/such.toml"], "Cannot read the configuration /no/such.toml"),
        (&["serve", "--set", "admin.listener=nowhere"], "admin.listener"),
        (&["doctor", "--set", "shards=many"], "shards"),
    ];
    for (arguments, part) in cases {
        let (code, out, errors) = run(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {errors}");
        assert!(errors.contains(part) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
    assert_eq!(run(&["serve", "--nonsense"]).0, 2);
    assert_eq!(run(&[]).0, 2);
}

#[test]
fn the_doctor_reports_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = settings(free_port(), free_port(), &data);
    let mut arguments = vec!["doctor"];
    arguments.extend(settings.iter().map(String::as_str));
    let (code, out, errors) = run(&arguments);
    assert_eq!(code, 0, "{out}{errors}");
    for part in ["io_uring", "descriptors", "locked memory", "sync latency", "can run here."] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    arguments.push("--json");
    let (_, out, _) = run(&arguments);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let (code, _, errors) = run(&["doctor", "--set", "log.dirs=/proc/self/data"]);
    assert_eq!(code, 1);
    assert!(errors.starts_with("logmill: A broker cannot run here"), "{errors}");
}

#[test]
fn a_running_broker_answers_its_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path());
    let (code, out, _) = run(&["--admin", &process.admin, "health", "--json"]);
    let health: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &health["status"]), (0, &"ok".into()));
    assert_eq!(health["pid"], process.child.id());
    let (code, out, _) = run(&["--admin", &process.admin, "config", "show", "--json"]);
    let entries: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    let source = |name: &str| {
        let entry = entries.iter().find(|entry| entry["name"] == name).expect("a setting");
        entry["source"].as_str().unwrap().to_owned()
    };
    assert_eq!((code, source("listeners")), (0, "argument".to_owned()));
    assert_eq!(source("num.partitions"), "default");
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let (code, out, errors) = run(&["topic", "ls", "--admin", &nowhere]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(errors.contains("start one with `logmill serve`"), "{errors}");
}
