//! Real Kafka clients behind one interface: create, produce, consume, consume as a group.
//!
//! Owns: how each of them is called, and how what it prints becomes records.
//! Leaves to others: the programs (`tests/peers`), what is right (`clients`).
//! Invariant: a client that fails, or says less than it was asked for, fails the test.
//! Start reading at: [`Client`].
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{java, root, run, setup};

const LIMIT_S: u32 = 120;

/// A client that users have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Java's kafka-topics, console producer and console consumer.
    JavaConsole,
    /// librdkafka on the command line.
    Kcat,
    /// confluent-kafka-python: librdkafka as a library.
    Confluent,
    /// kafka-python: a protocol implementation of its own.
    KafkaPython,
    /// franz-go: Go, a protocol implementation of its own.
    FranzGo,
    /// KafkaJS: Node.js, a protocol implementation of its own.
    KafkaJs,
}

/// Those that know every codec.
pub const CLIENTS: [Client; 5] =
    [Client::JavaConsole, Client::Kcat, Client::Confluent, Client::KafkaPython, Client::FranzGo];

/// One for each implementation of a producer.
pub const PRODUCERS: [Client; 5] =
    [Client::JavaConsole, Client::Confluent, Client::KafkaPython, Client::FranzGo, Client::KafkaJs];

/// A record as a consumer saw it; `text` is key, a colon, value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub text: String,
}

/// What became of one record, as its producer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered { partition: i32, offset: i64, value: String },
    Failed { reason: String },
}

/// One way to produce.
#[derive(Clone, Debug)]
pub struct Job {
    pub topic: String,
    pub acks: &'static str,
    pub codec: &'static str,
}

/// Python of the environment that `tools/setup` made, at the start of a command.
pub fn python(script: &str) -> Command {
    let mut command = Command::new(setup("venv/bin/python"));
    command.arg(root().join("tests/peers/python").join(script));
    command
}

/// Writes records, one `key:value` a line, and returns the file's path.
pub fn write_records(folder: &Path, records: &[String]) -> PathBuf {
    let file = folder.join("records.txt");
    std::fs::write(&file, records.join("\n") + "\n").expect("a writable folder");
    file
}

impl Client {
    /// A word for topic and group names.
    pub fn name(self) -> &'static str {
        match self {
            Self::JavaConsole => "java",
            Self::Kcat => "kcat",
            Self::Confluent => "confluent",
            Self::KafkaPython => "kafka-python",
            Self::FranzGo => "franz-go",
            Self::KafkaJs => "kafkajs",
        }
    }

    /// Creates the topics with three partitions; kcat has no such command and lets the broker
    /// create them when it produces.
    pub fn create(self, bootstrap: &str, topics: &[&str]) {
        match self {
            Self::Kcat => {}
            Self::JavaConsole => {
                for topic in topics {
                    let args = ["--bootstrap-server", bootstrap, "--create", "--topic", topic];
                    let args = [&args[..], &["--partitions", "3"]].concat();
                    let said = java::tools().run(java::TOPICS, &args, None);
                    assert!(said.contains("Created topic"), "{said}");
                }
            }
            _ => {
                self.script(&[&["create", bootstrap, "3"], topics].concat());
            }
        }
    }

    /// Produces every line of `file` by each of the jobs and waits for the acknowledgements.
    pub fn produce(self, bootstrap: &str, file: &Path, jobs: &[Job]) {
        let path = file.display().to_string();
        match self {
            Self::Kcat => {
                for job in jobs {
                    let acks = format!("acks={}", job.acks);
                    let mut command = Command::new("kcat");
                    command.args(["-P", "-b", bootstrap, "-t", &job.topic, "-K:", "-l"]);
                    command.args(["-X", &acks, "-z", job.codec, &path]);
                    run(&mut command, LIMIT_S);
                }
            }
            Self::JavaConsole => {
                let input = std::fs::read_to_string(file).expect("the records' file");
                for job in jobs {
                    produce_by_console(bootstrap, &input, job);
                }
            }
            _ => {
                let jobs: Vec<String> =
                    jobs.iter().map(|j| format!("{},{},{}", j.topic, j.acks, j.codec)).collect();
                let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
                self.script(&[&["produce", bootstrap, &path], &jobs[..]].concat());
            }
        }
    }

    /// Reads `count` records of each topic from the beginning, without a group.
    pub fn consume(self, bootstrap: &str, topics: &[&str], count: usize) -> Vec<Seen> {
        let wanted = count.to_string();
        match self {
            Self::Kcat => {
                let mut seen = Vec::new();
                for topic in topics {
                    let mut command = kcat_reader(bootstrap);
                    command.args(["-C", "-t", topic, "-o", "beginning", "-e", "-c", &wanted]);
                    seen.extend(parse(&run(&mut command, LIMIT_S)));
                }
                seen
            }
            Self::JavaConsole => topics
                .iter()
                .flat_map(|topic| {
                    let how = ["--topic", topic, "--from-beginning", "--max-messages", &wanted];
                    consume_by_console(bootstrap, topic, &how)
                })
                .collect(),
            _ => parse(&self.script(&[&["consume", bootstrap, &wanted], topics].concat())),
        }
    }

    /// Reads `count` records as the only member of `group`, commits them and leaves.
    pub fn consume_in_group(
        self,
        bootstrap: &str,
        group: &str,
        topic: &str,
        count: usize,
    ) -> Vec<Seen> {
        let count = count.to_string();
        match self {
            Self::Kcat => {
                let mut command = kcat_reader(bootstrap);
                command.args(["-X", "auto.offset.reset=earliest", "-c", &count]);
                command.args(["-G", group, topic]);
                parse(&run(&mut command, LIMIT_S))
            }
            Self::JavaConsole => {
                let how = ["--topic", topic, "--from-beginning", "--max-messages", &count];
                consume_by_console(bootstrap, topic, &[&how[..], &["--group", group]].concat())
            }
            _ => parse(&self.script(&["group", bootstrap, group, &count, topic])),
        }
    }

    /// Produces `count` records, `0` and so on under keys of their own, to be retried at most that
    /// often; without a number the client is idempotent and retries as long as it can.
    pub fn insist(
        self,
        folder: &Path,
        bootstrap: &str,
        topic: &str,
        count: usize,
        retries: Option<u32>,
    ) -> Vec<Outcome> {
        let count = count.to_string();
        if self == Self::JavaConsole {
            // The tool sets `retries=0` unless it is told otherwise.
            let retries = retries.map_or(i32::MAX as u32, |retries| retries);
            let config = folder.join(format!("{topic}.properties"));
            std::fs::write(&config, format!("retries={retries}\n")).expect("a writable folder");
            let config = config.display().to_string();
            let args = ["--bootstrap-server", bootstrap, "--topic", topic, "--acks", "-1"];
            let more = ["--max-messages", &count, "--command-config", &config];
            let args = [&args[..], &more, &["--repeating-keys", "5"]].concat();
            let done = java::tools().run_any(java::VERIFIABLE_PRODUCER, &args, None);
            return done.out.lines().filter_map(parse_verifiable).collect();
        }
        let retries = retries.map_or("-1".to_owned(), |retries| retries.to_string());
        let said = self.script(&["insist", bootstrap, topic, &count, &retries]);
        said.lines().map(parse_outcome).collect()
    }

    #[track_caller]
    fn script(self, args: &[&str]) -> String {
        let mut command = match self {
            Self::FranzGo => Command::new(setup("franz-go/franz-go")),
            Self::KafkaJs => {
                let mut node = Command::new("node");
                node.env("KAFKAJS_FOLDER", setup("kafkajs"));
                node.arg(root().join("tests/peers/kafkajs/client.js"));
                node
            }
            _ => {
                let mut command = python("client.py");
                command.arg(self.name());
                command
            }
        };
        run(command.args(args), LIMIT_S)
    }
}

fn kcat_reader(bootstrap: &str) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-q", "-b", bootstrap, "-f", "%t %p %o %k:%s\\n"]);
    command
}

fn produce_by_console(bootstrap: &str, input: &str, job: &Job) {
    let acks = format!("acks={}", job.acks);
    let mut args = vec!["--bootstrap-server", bootstrap, "--topic", &job.topic];
    args.extend(["--reader-property", "parse.key=true"]);
    args.extend(["--reader-property", "key.separator=:", "--command-property", &acks]);
    args.extend(["--compression-codec", job.codec]);
    java::tools().run(java::CONSOLE_PRODUCER, &args, Some(input));
}

/// The console consumer prints partition and offset in front of key and value.
fn consume_by_console(bootstrap: &str, topic: &str, how: &[&str]) -> Vec<Seen> {
    let mut args = vec!["--bootstrap-server", bootstrap, "--timeout-ms", "30000"];
    args.extend(how);
    for property in ["print.partition=true", "print.offset=true", "print.key=true"] {
        args.extend(["--formatter-property", property]);
    }
    args.extend(["--formatter-property", "key.separator= "]);
    let said = java::tools().run(java::CONSOLE_CONSUMER, &args, None);
    said.lines().map(|line| parse_console(topic, line)).collect()
}

/// `delivered PARTITION OFFSET VALUE` or `failed VALUE REASON`, as our scripts print it.
fn parse_outcome(line: &str) -> Outcome {
    let words: Vec<&str> = line.splitn(4, ' ').collect();
    match words[..] {
        ["delivered", partition, offset, value] => Outcome::Delivered {
            partition: partition.parse().expect("a partition"),
            offset: offset.parse().expect("an offset"),
            value: value.to_owned(),
        },
        ["failed", ..] => Outcome::Failed { reason: line.to_owned() },
        _ => panic!("a client printed {line:?}"),
    }
}

/// What the verifiable producer says of one record; it says other things too.
fn parse_verifiable(line: &str) -> Option<Outcome> {
    let told: serde_json::Value = serde_json::from_str(line).ok()?;
    match told["name"].as_str()? {
        "producer_send_success" => Some(Outcome::Delivered {
            partition: told["partition"].as_i64()? as i32,
            offset: told["offset"].as_i64()?,
            value: told["value"].as_str()?.to_owned(),
        }),
        "producer_send_error" => Some(Outcome::Failed { reason: line.to_owned() }),
        _ => None,
    }
}

/// `Partition:1 Offset:7 key value`, as the console consumer prints it.
fn parse_console(topic: &str, line: &str) -> Seen {
    let mut words = line.splitn(4, ' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (partition, offset, key, value) = (word(), word(), word(), word());
    let number = |word: &str| word.split(':').nth(1).and_then(|digits| digits.parse().ok());
    let (Some(partition), Some(offset)) = (number(&partition), number(&offset)) else {
        panic!("the console consumer printed {line:?}");
    };
    let partition = i32::try_from(partition).expect("a partition");
    Seen { topic: topic.into(), partition, offset, text: format!("{key}:{value}") }
}

/// `topic partition offset key:value` a line, as our scripts and kcat print it.
fn parse(said: &str) -> Vec<Seen> {
    let one = |line: &str| -> Option<Seen> {
        let mut words = line.splitn(4, ' ');
        Some(Seen {
            topic: words.next()?.into(),
            partition: words.next()?.parse().ok()?,
            offset: words.next()?.parse().ok()?,
            text: words.next()?.into(),
        })
    };
    said.lines()
        .map(|line| one(line).unwrap_or_else(|| panic!("a client printed {line:?}")))
        .collect()
}
