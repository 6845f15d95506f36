//! A broker as a child process: our own, or Apache Kafka as the reference.
//!
//! Owns: its folder, ports, settings, start, readiness, stop, kill −9 and restart on the same data.
//! Leaves to others: what is done with it.
//! Invariant: logmill runs as an ordinary user also when the tests run as root.
//! Start reading at: [`Broker::under_test`].
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait::Wait;
use super::{free_port, java, root, run, setup, tail};

/// The user that logmill runs as when the tests are root: `nobody`.
const ORDINARY_USER: u32 = 65_534;
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// The default is made for disks that are used for days; here each test fills its own with zeroes.
const JOURNAL_BYTES: u64 = 16 << 20;

/// Which broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Logmill,
    Kafka,
}

impl Peer {
    /// `LOGMILL_PEER=kafka` turns a test that asks for the broker under test to Apache Kafka, to
    /// prove that what the test demands is what Kafka does.
    pub fn under_test() -> Self {
        match std::env::var("LOGMILL_PEER").as_deref() {
            Ok("kafka") => Self::Kafka,
            Ok("logmill") | Err(_) => Self::Logmill,
            Ok(other) => panic!("LOGMILL_PEER is logmill or kafka, not {other:?}"),
        }
    }
}

/// One broker on its own folder and ports. Dropping it kills it and removes the folder.
pub struct Broker {
    pub peer: Peer,
    pub port: u16,
    pub admin_port: u16,
    controller_port: u16,
    folder: tempfile::TempDir,
    executable: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
}

impl Broker {
    /// Starts the broker under test with these settings (Kafka's names and, for logmill, its own).
    /// `{folder}` in a value is the folder of this test.
    ///
    /// Every start has auto-created topics of three partitions, so that the two brokers agree.
    pub fn under_test(settings: &[(&str, &str)]) -> Self {
        Self::start_new(Peer::under_test(), settings)
    }

    /// Starts logmill, whatever `LOGMILL_PEER` says: for tests of what Kafka does not have.
    pub fn logmill(settings: &[(&str, &str)]) -> Self {
        Self::start_new(Peer::Logmill, settings)
    }

    /// Starts Apache Kafka, whatever `LOGMILL_PEER` says: for tests of what Kafka wrote.
    pub fn kafka(settings: &[(&str, &str)]) -> Self {
        Self::start_new(Peer::Kafka, settings)
    }

    fn start_new(peer: Peer, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("logmill-it-").tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        if is_root() {
            for path in [folder.path(), &data] {
                chown(path, Some(ORDINARY_USER), Some(ORDINARY_USER)).expect("root gives away");
            }
        }
        let executable = reachable_executable(folder.path());
        let settings = settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let mut broker = Self {
            peer,
            port: free_port(),
            admin_port: free_port(),
            controller_port: free_port(),
            folder,
            executable,
            settings,
            environment: Vec::new(),
            child: None,
        };
        broker.set("num.partitions", "3");
        broker.set("group.initial.rebalance.delay.ms", "0");
        broker.start();
        broker
    }

    /// Sets a setting for the next start, unless the test chose its value itself.
    fn set(&mut self, name: &str, value: &str) {
        if self.settings.iter().all(|(known, _)| known != name) {
            self.settings.push((name.into(), value.into()));
        }
    }

    /// Changes a setting; it holds from the next start on.
    pub fn reset(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.set(name, value);
    }

    /// Sets a variable of its environment from the next start on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), value.into()));
    }

    /// Starts it on the data that is there, and returns when it answers a Metadata request.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut command = match self.peer {
            Peer::Logmill => self.logmill_command(),
            Peer::Kafka => self.kafka_command(),
        };
        let log = File::options().create(true).append(true).open(self.log_file()).expect("a log");
        let errors = log.try_clone().expect("a second handle");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log).stderr(errors).current_dir(self.folder.path());
        self.child = Some(command.spawn().expect("the broker's program starts"));
        let wait = Wait::for_at_most(READY_WITHIN);
        while !self.is_ready() {
            let child = self.child.as_mut().expect("just started");
            if let Some(status) = child.try_wait().expect("our child") {
                panic!("the broker ended at start: {status}\n{}", tail(&self.log(), 30));
            }
            wait.again(|| format!("not ready\n{}", tail(&self.log(), 30)));
        }
    }

    /// Asks it to stop (SIGTERM) and waits; fails when it does not end, or ends with an error.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.await_end();
        // Java ends with 128 + SIGTERM after an orderly stop.
        let fine = status.success() || (self.peer == Peer::Kafka && status.code() == Some(143));
        assert!(fine, "stopped with {status}\n{}", tail(&self.log(), 30));
    }

    /// The next start on this data is one of another broker.
    pub fn hand_over(&mut self, to: Peer) {
        assert!(self.child.is_none(), "it runs");
        self.peer = to;
        if is_root() {
            let owner = if to == Peer::Logmill { ORDINARY_USER } else { 0 };
            let owner = format!("{owner}:{owner}");
            let entries = std::fs::read_dir(self.folder.path()).expect("our folder");
            let paths = entries.map(|entry| entry.expect("our folder").path());
            for dir in paths.filter(|path| path.is_dir()) {
                run(Command::new("chown").args(["-R", &owner]).arg(dir), 30);
            }
        }
    }

    /// Moves the data aside and makes an empty directory for Kafka, formatted; gives the old one.
    pub fn format_anew(&mut self) -> PathBuf {
        assert!(self.child.is_none() && self.peer == Peer::Kafka, "a Kafka that does not run");
        let aside = self.folder.path().join("data-before");
        std::fs::rename(self.data(), &aside).expect("a rename");
        std::fs::create_dir(self.data()).expect("a data folder");
        drop(self.kafka_command());
        aside
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// kill −9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("a running child can be killed");
        child.wait().expect("our child");
    }

    /// Waits until it ends by itself; true when it says that all is well.
    pub fn ends(&mut self) -> bool {
        self.await_end().success()
    }

    fn await_end(&mut self) -> ExitStatus {
        let wait = Wait::for_at_most(STOP_WITHIN);
        loop {
            let child = self.child.as_mut().expect("it runs");
            if let Some(status) = child.try_wait().expect("our child") {
                self.child = None;
                return status;
            }
            wait.again(|| format!("it goes on\n{}", tail(&self.log(), 30)));
        }
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        run(Command::new("kill").args([name, &self.pid().to_string()]), 5);
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The folder with the partitions' folders.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder of this test's own, readable by all.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("broker.log")
    }

    /// Everything that it printed so far, over all its starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A command with `logmill` as the program, and this broker's admin port and token set.
    pub fn cli(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logmill"));
        command.args(["--admin", &self.admin_url()]);
        command.env("LOGMILL_TOKEN_FILE", self.data().join("admin.token"));
        command
    }

    /// `logmill serve` with the settings of this broker, for a start that is to fail.
    pub fn serve_command(&self) -> Command {
        self.logmill_command()
    }

    fn logmill_command(&self) -> Command {
        let mut command = as_ordinary_user(&self.executable);
        command.arg("serve");
        let own = [
            ("listeners", format!("PLAINTEXT://127.0.0.1:{}", self.port)),
            ("admin.listener", format!("127.0.0.1:{}", self.admin_port)),
            ("log.dirs", self.data().display().to_string()),
            ("journal.bytes", JOURNAL_BYTES.to_string()),
        ];
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), self.whole(value)));
        let is_given = |name: &str| self.settings.iter().any(|(known, _)| known == name);
        let own = own.into_iter().filter(|(name, _)| !is_given(name));
        for (name, value) in own.chain(given) {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command
    }

    /// A setting's value with the folder in it.
    fn whole(&self, value: &str) -> String {
        value.replace("{folder}", &self.folder.path().display().to_string())
    }

    fn kafka_command(&self) -> Command {
        let properties = self.folder.path().join("server.properties");
        std::fs::write(&properties, self.kafka_properties()).expect("a writable folder");
        if !self.data().join("meta.properties").exists() {
            let id = "MkU3OEVBNTcwNTJENDM2Qg";
            let file = properties.display().to_string();
            let args = ["format", "-t", id, "-c", &file];
            java::tools().run("kafka.tools.StorageTool", &args, None);
        }
        let logging = root().join("tests/peers/kafka/broker.log4j2.properties");
        let mut command = ending_with_us();
        command.args([
            "java",
            "-Xms128M",
            "-Xmx384M",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
        ]);
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.arg("-cp").arg(setup("kafka").join("*")).arg("kafka.Kafka").arg(properties);
        command
    }

    fn kafka_properties(&self) -> String {
        let (port, controller) = (self.port, self.controller_port);
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=5\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n",
            self.data().display()
        );
        for (name, value) in &self.settings {
            if !["shards"].contains(&name.as_str()) {
                text.push_str(&format!("{name}={}\n", self.whole(value)));
            }
        }
        text
    }

    /// Asks for the metadata of no topic, as a client would, and looks for at least one broker.
    fn is_ready(&self) -> bool {
        metadata_brokers(self.port).is_ok_and(|brokers| 1 <= brokers)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let grave = |line: &&str| line.contains("ERROR") || line.contains("WARN");
            let first: Vec<&str> = log.lines().filter(grave).take(10).collect();
            eprintln!("---- the broker's first warnings\n{}", first.join("\n"));
            eprintln!("---- the broker's last words\n{}", tail(&log, 40));
        }
    }
}

/// Number of brokers in a Metadata response of version 1.
fn metadata_brokers(port: u16) -> std::io::Result<i32> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // Length 20; key 3, version 1, correlation 7, client id "ready!", an empty list of topics.
    let mut request = vec![0, 0, 0, 20, 0, 3, 0, 1, 0, 0, 0, 7, 0, 6];
    request.extend_from_slice(b"ready!");
    request.extend_from_slice(&[0; 4]);
    stream.write_all(&request)?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(i32::from_be_bytes(head[8..12].try_into().expect("four bytes")))
}

/// Starts what is appended to it such that the kernel ends it with the thread that started it.
fn ending_with_us() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// Starts `program` as an ordinary user when we are root.
fn as_ordinary_user(program: &Path) -> Command {
    let mut command = ending_with_us();
    if is_root() {
        let (user, group) =
            (format!("--reuid={ORDINARY_USER}"), format!("--regid={ORDINARY_USER}"));
        command.args([&user, &group, "--clear-groups"]);
    }
    command.arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").expect("a Linux system").uid() == 0
}

/// Our executable under a path that an ordinary user may walk: a checkout below `/root` is closed
/// to the user that the broker runs as.
fn reachable_executable(folder: &Path) -> PathBuf {
    let executable = PathBuf::from(env!("CARGO_BIN_EXE_logmill"));
    let open =
        |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    if !is_root() || executable.ancestors().all(open) {
        return executable;
    }
    let copy = folder.join("logmill");
    if std::fs::hard_link(&executable, &copy).is_err() {
        std::fs::copy(&executable, &copy).expect("room for a copy of the executable");
    }
    copy
}
