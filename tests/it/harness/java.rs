//! Apache Kafka's own command line tools, many in one JVM.
//!
//! Owns: that JVM, requests to it and their answers, the tools' class names.
//! Leaves to others: what the tools are asked (`client`, `dump`, the tests).
//! Invariant: one JVM a test run; it ends when our end of its pipe closes, so with us.
//! Start reading at: [`Tools::run`].
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::{root, setup};

pub const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
pub const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
pub const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
pub const VERIFIABLE_PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";
pub const VERIFIABLE_CONSUMER: &str = "org.apache.kafka.tools.VerifiableConsumer";
pub const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
pub const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
pub const DUMP_LOG: &str = "org.apache.kafka.tools.DumpLogSegments";
pub const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
pub const CONSUMER_GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
pub const GET_OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";

const TOOL_WITHIN: Duration = Duration::from_secs(90);

/// Separates the fields of a request.
const FIELD: &str = "\u{1f}";

/// The JVM that runs the tools.
pub struct Tools {
    requests: Mutex<ChildStdin>,
    waiting: Mutex<BTreeMap<u64, Sender<i32>>>,
    folder: PathBuf,
    next: Mutex<u64>,
}

/// What a tool left behind.
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// A tool that has been started.
pub struct Running<'a> {
    tools: &'a Tools,
    id: u64,
    what: String,
    status: Receiver<i32>,
}

/// The one JVM of this test run, started at the first use.
pub fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let folder = tempfile::Builder::new().prefix("logmill-tools-").tempdir().expect("a folder");
        let logging = root().join("tests/peers/kafka/tools.log4j2.properties");
        let mut child = Command::new("java")
            .args(["-Xms32M", "-Xmx384M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .args(["--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp"])
            .arg(format!("{}:{}", setup("java").display(), setup("kafka").join("*").display()))
            .arg("Driver")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`java` starts");
        let requests = child.stdin.take().expect("piped");
        let answers = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            dispatch(answers);
            let _ = child.wait();
        });
        // Kept until the process ends: the folder goes with the system's temporary files.
        let folder = folder.keep();
        Tools {
            requests: Mutex::new(requests),
            waiting: Mutex::default(),
            folder,
            next: Mutex::new(0),
        }
    })
}

/// Hands each answer to whoever waits for it.
fn dispatch(answers: ChildStdout) {
    for line in BufReader::new(answers).lines() {
        let line = line.expect("the driver writes text");
        let mut words = line.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
        let (Some(id), Some(status)) = (number(), number()) else {
            panic!("the driver said {line:?}");
        };
        let id = u64::try_from(id).expect("we count from 0");
        let waiting = tools().waiting.lock().expect("no panic holds it").remove(&id);
        // A test that failed meanwhile does not wait any more.
        let _ = waiting.map(|sender| sender.send(i32::try_from(status).unwrap_or(1)));
    }
    // The JVM has ended: nobody else gets an answer.
    tools().waiting.lock().expect("no panic holds it").clear();
}

impl Tools {
    /// Runs a tool to its end and returns its standard output; fails unless its status is 0.
    #[track_caller]
    pub fn run(&self, class: &str, args: &[&str], input: Option<&str>) -> String {
        let done = self.run_any(class, args, input);
        assert!(
            done.status == 0,
            "{class} {args:?}: status {}\n{}\n{}",
            done.status,
            super::tail(&done.out, 20),
            super::tail(&done.err, 20)
        );
        done.out
    }

    /// Runs a tool to its end, whatever that is.
    pub fn run_any(&self, class: &str, args: &[&str], input: Option<&str>) -> Done {
        self.start(class, args, input).wait()
    }

    /// Starts a tool.
    pub fn start(&self, class: &str, args: &[&str], input: Option<&str>) -> Running<'_> {
        let id = {
            let mut next = self.next.lock().expect("no panic holds it");
            *next += 1;
            *next
        };
        let (sender, status) = channel();
        self.waiting.lock().expect("no panic holds it").insert(id, sender);
        let stdin = input.map_or(String::new(), |text| {
            let file = self.file(id, "in");
            std::fs::write(&file, text).expect("a writable folder");
            file.display().to_string()
        });
        let (out, err) = (self.file(id, "out"), self.file(id, "err"));
        let numbered = id.to_string();
        let (out, err) = (out.display().to_string(), err.display().to_string());
        let mut fields = vec!["run", &numbered, &stdin, &out, &err, class];
        fields.extend(args);
        self.request(&fields);
        Running { tools: self, id, what: format!("{class} {args:?}"), status }
    }

    fn request(&self, fields: &[&str]) {
        let line = fields.join(FIELD) + "\n";
        let mut requests = self.requests.lock().expect("no panic holds it");
        requests.write_all(line.as_bytes()).expect("the driver listens");
    }

    fn file(&self, id: u64, kind: &str) -> PathBuf {
        self.folder.join(format!("{id}.{kind}"))
    }

    fn text(&self, id: u64, kind: &str) -> String {
        let bytes = std::fs::read(self.file(id, kind)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Running<'_> {
    /// Does to it what SIGTERM does to a process: its shutdown hooks run.
    pub fn stop(&self) {
        self.tools.request(&["stop", &self.id.to_string()]);
    }

    /// What it has printed so far.
    pub fn out(&self) -> String {
        self.tools.text(self.id, "out")
    }

    /// Waits for its end.
    pub fn wait(self) -> Done {
        let Ok(status) = self.status.recv_timeout(TOOL_WITHIN) else {
            // Either it hangs, or it ended the JVM itself, as some do for a wrong argument.
            let (out, err) = (self.out(), self.tools.text(self.id, "err"));
            let (out, err) = (super::tail(&out, 20), super::tail(&err, 20));
            panic!("{}: no answer within {TOOL_WITHIN:?}\n{out}\n{err}", self.what);
        };
        let (out, err) = (self.out(), self.tools.text(self.id, "err"));
        for kind in ["in", "out", "err"] {
            let _ = std::fs::remove_file(self.tools.file(self.id, kind));
        }
        Done { status, out, err }
    }
}
