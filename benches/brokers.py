"""The two brokers and the driver: their processes, from start to stop.

Owns: folders, ports, settings, readiness.
Leaves to others: what is sent (`bench`), what is counted (`machine`).
Both brokers run with their defaults, Apache Kafka with the JVM options of its own start script.
"""

import functools
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import machine
import wire

ROOT = pathlib.Path(__file__).resolve().parent.parent
SETUP = pathlib.Path(os.environ.get("LOGMILL_SETUP_DIR", ROOT / ".setup")).resolve()
KAFKA_JARS = SETUP / "kafka" / "*"
READY_WITHIN_S = 90
STOP_WITHIN_S = 90
# Exit codes after SIGTERM; a JVM ends with 128 + the signal.
CLEAN_ENDS = [0, 128 + signal.SIGTERM]
GONE_WITHIN_S = 60
# Deleted topics leave the disk before the next load.
DELETES_SOON = "log.segment.delete.delay.ms=500"
TOOL_WITHIN_S = 240
COMMAND_WITHIN_S = 60
PORT_TRIES_MAX = 100
FIELD = "\x1f"
CHECKPOINTS = re.compile(r"^logmill_\w*checkpoint\w*_total\b")
TOPICS = "org.apache.kafka.tools.TopicCommand"
PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
STORAGE = "kafka.tools.StorageTool"
# bin/kafka-run-class.sh: KAFKA_JVM_PERFORMANCE_OPTS.
JVM = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
]
LAST_LINE = re.compile(
    r"^(?P<records>\d+) records sent, (?P<rate>[\d.]+) records/sec \((?P<mib>[\d.]+) MB/sec\), "
    r"(?P<avg>[\d.]+) ms avg latency, (?P<max>[\d.]+) ms max latency, "
    r"(?P<p50>\d+) ms 50th, (?P<p95>\d+) ms 95th, (?P<p99>\d+) ms 99th, (?P<p999>\d+) ms 99.9th",
    re.MULTILINE,
)


class Failed(Exception):
    """Something did not work; the text is for a person."""


def free_port():
    """Below the range that the kernel gives to clients.

    Inside it a client that polls for a broker which does not listen yet can be given that very port,
    is then connected to itself, and keeps the broker from listening.
    """
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(PORT_TRIES_MAX):
        port = random.randrange(min(10_000, lowest - 1), lowest)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed(f"no free port below {lowest}")


def start(command, **more):
    """A child that the kernel ends with us, however we end."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, command)], **more)


@functools.cache
def executable():
    """Builds it with optimisation; LOGMILL names another one, which is then taken as it is."""
    if "LOGMILL" in os.environ:
        path = pathlib.Path(os.environ["LOGMILL"])
    else:
        subprocess.run(["cargo", "build", "--release", "--bin", "logmill"], cwd=ROOT, check=True)
        path = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "logmill"
    if not path.exists():
        raise Failed(f"{path} is missing")
    return path.resolve()


class Driver:
    """One JVM for all loads, so that its compiler warms up once and for both brokers alike."""

    def __init__(self, folder):
        self.folder = folder / "driver"
        self.folder.mkdir()
        logging = ROOT / "tests" / "peers" / "kafka" / "tools.log4j2.properties"
        self.process = start(
            [
                "java", "-Xms512M", "-Xmx512M", *JVM, f"-Dlog4j2.configurationFile={logging}",
                "--add-opens", "java.base/java.lang=ALL-UNNAMED",
                "-cp", f"{SETUP / 'java'}:{KAFKA_JARS}", "Driver",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.answers = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.count = 0

    def listen(self):
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def run(self, tool, *words):
        """Runs one tool to its end and returns what it printed."""
        self.count += 1
        out, err = self.folder / f"{self.count}.out", self.folder / f"{self.count}.err"
        request = ["run", self.count, "", out, err, tool, *words]
        self.process.stdin.write(FIELD.join(map(str, request)) + "\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=TOOL_WITHIN_S).split()
        except queue.Empty:
            raise Failed(f"{tool} gave no answer within {TOOL_WITHIN_S} s") from None
        said = out.read_text() + err.read_text()
        out.unlink()
        err.unlink()
        if answer[1:2] != ["0"]:
            raise Failed(f"{tool} {' '.join(map(str, words))} failed:\n{said[-2000:]}")
        return said

    def cpu_s(self):
        """The JVM's, and our own."""
        return machine.process_cpu_s(self.process.pid) + machine.process_cpu_s(os.getpid())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(STOP_WITHIN_S)


class Broker:
    """A broker on a folder of its own, if asked to in a memory cgroup."""

    name = ""

    def __init__(self, folder, driver, group=None, settings=()):
        self.driver = driver
        self.settings = settings
        self.group = group
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.process = None
        self.folder.mkdir()
        self.prepare()

    def launch(self):
        """Starts it; returns the seconds until a record was acknowledged, and until then only."""
        begin = time.perf_counter()
        self.spawn()
        try:
            wire.first_produce(self.port, "first", READY_WITHIN_S, self.is_alive)
        except (OSError, wire.Refused) as error:
            raise Failed(f"{self.name} did not start: {error}\n{self.last_words()}") from error
        return time.perf_counter() - begin

    def spawn(self):
        """Starts the process on whatever its folder holds, and waits for nothing."""
        within = self.group.words() if self.group else []
        with (self.folder / "broker.log").open("ab") as log:
            command = [*within, *self.command()]
            self.process = start(command, stdout=log, stderr=log, cwd=self.folder)

    def is_alive(self):
        return self.process.poll() is None

    def last_words(self):
        lines = (self.folder / "broker.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-20:])

    def create_topic(self, topic, partitions):
        where = ["--bootstrap-server", f"127.0.0.1:{self.port}", "--topic", topic]
        self.driver.run(TOPICS, *where, "--create", "--partitions", partitions)
        self.await_leaders(topic, partitions)

    def await_leaders(self, topic, partitions):
        """Returns when every partition answers.

        Kafka says "created" earlier. An idempotent producer whose first batch comes too early and
        whose second one is taken is refused for ever: its sequence is out of order.
        """
        end = time.monotonic() + READY_WITHIN_S
        with wire.Connection(self.port) as connection:
            while True:
                try:
                    return connection.end_offsets(topic, partitions)
                except wire.Refused:
                    if end < time.monotonic():
                        raise
                    time.sleep(0.05)

    def check_holds(self, topic, partitions, records):
        """Every record is in the log once: a broker that loses some must not look fast."""
        with wire.Connection(self.port) as connection:
            held = sum(connection.end_offsets(topic, partitions))
        if held != records:
            raise Failed(f"{self.name} holds {held} records of {topic}, {records} were sent")

    def delete_topic(self, topic):
        """Returns when its files are gone, so that no later load pays for that."""
        where = ["--bootstrap-server", f"127.0.0.1:{self.port}", "--topic", topic]
        self.driver.run(TOPICS, *where, "--delete")
        end = time.monotonic() + GONE_WITHIN_S
        while any(self.data.glob(f"{topic}-*")):
            if end < time.monotonic():
                raise Failed(f"{self.name} deleted {topic}, its files remain in {self.data}")
            time.sleep(0.05)

    def stop(self):
        """Ends it; returns whether it did so by itself, and in time, when it was asked to."""
        if self.process is None or not self.is_alive():
            return False
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_WITHIN_S) in CLEAN_ENDS
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False

    def kill(self):
        """kill −9: what a crash of the process leaves behind."""
        self.process.kill()
        self.process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Logmill(Broker):
    name = "Logmill"

    def prepare(self):
        self.program = executable()
        self.admin_port = free_port()

    def command(self):
        settings = [
            f"listeners=PLAINTEXT://127.0.0.1:{self.port}",
            f"admin.listener=127.0.0.1:{self.admin_port}",
            f"log.dirs={self.data}",
            DELETES_SOON,
            *self.settings,
        ]
        return [self.program, "serve", *(word for line in settings for word in ("--set", line))]

    def logmill(self, *words):
        command = [self.program, *words, "--admin", f"http://127.0.0.1:{self.admin_port}", "--json"]
        command += ["--token-file", self.data / "admin.token"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_WITHIN_S)
        except subprocess.TimeoutExpired:
            said = f"no answer within {COMMAND_WITHIN_S} s\n{self.last_words()}"
            raise Failed(f"`logmill {' '.join(map(str, words))}`: {said}") from None
        if run.returncode != 0:
            raise Failed(f"`logmill {' '.join(map(str, words))}` said: {run.stderr.strip()}")
        return json.loads(run.stdout)

    def checkpoints(self):
        """How many checkpoints its log has made; `None` when it counts none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        counts = [line.split() for line in lines if CHECKPOINTS.match(line)]
        return sum(float(words[1]) for words in counts) if counts else None

    def install_identity(self):
        component = ROOT / "plugins" / "components" / "identity.wasm"
        if not component.exists():
            raise Failed(f"{component} is missing: run `make bench`, or `plugins/build`")
        self.logmill("plugin", "install", component, "--as", "identity@1")
        self.logmill("plugin", "activate", "identity@1")

    def bind_identity(self, topic):
        self.logmill("plugin", "bind", "identity", "--topic", topic, "--mode", "verify")

    def check_was_asked(self, topic, records):
        """The plugin saw every record: otherwise its figure would be that of no plugin."""
        clients = self.logmill("topic", "describe", topic)["clients"]
        asked = sum(client["records"] for client in clients)
        if asked != records:
            raise Failed(f"the partitioner of {topic} was asked about {asked} of {records} records")


class Kafka(Broker):
    name = "Kafka"

    def prepare(self):
        self.properties = self.folder / "server.properties"
        controller = free_port()
        self.properties.write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}\n"
            "controller.listener.names=CONTROLLER\n"
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
            f"log.dirs={self.data}\n"
            "offsets.topic.replication.factor=1\n"
            "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
            f"{DELETES_SOON}\nlog.initial.task.delay.ms=500\n"
        )
        words = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.properties]
        self.driver.run(STORAGE, *words)

    def command(self):
        logging = ROOT / "tests" / "peers" / "kafka" / "broker.log4j2.properties"
        options = ["-Xms1G", "-Xmx1G", *JVM, f"-Dlog4j2.configurationFile={logging}"]
        return ["java", *options, "-cp", KAFKA_JARS, "kafka.Kafka", self.properties]


def produce(driver, broker, topic, cell):
    """One load by Java's ProducerPerformance; returns the numbers of its last line."""
    # With acks=1 the Java client switches idempotence off by itself; we say so aloud.
    idempotent = "true" if cell.acks == "all" else "false"
    words = [
        "--bootstrap-server", f"127.0.0.1:{broker.port}", "--topic", topic,
        "--num-records", cell.records, "--record-size", cell.payload,
        "--throughput", cell.rate, "--reporting-interval", 3_600_000,
        "--command-property", f"acks={cell.acks}", f"enable.idempotence={idempotent}",
    ]  # fmt: skip
    said = driver.run(PRODUCER_PERFORMANCE, *words)
    lines = list(LAST_LINE.finditer(said))
    if not lines or "Exception" in said:
        raise Failed(
            f"ProducerPerformance to {broker.name} had trouble:\n{said[-1000:]}\n"
            f"The broker's last words:\n{broker.last_words()}"
        )
    return {name: float(value) for name, value in lines[-1].groupdict().items()}
