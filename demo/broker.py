"""The broker of the demo, and the `logmill` command that talks to it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from clients import QUIET
from talk import Failed, check, say

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_WITHIN_S = 30
STOP_WITHIN_S = 30
ANSWER_WITHIN_S = 10
# What the broker logs when it takes Kafka clients, and how its last words begin when it fails.
READY = "serving Kafka clients"
WORDS = "logmill: "
OTHER_PORTS = "`demo/run --kafka-port N --admin-port M` takes other ports."


def executable():
    """`make demo` has built it; LOGMILL names another one."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get("LOGMILL", target / "debug" / "logmill")).resolve()
    if not path.exists():
        raise Failed(f"{path} is missing: run `make demo`, or `cargo build`.")
    return path


class Plain:
    """Some running broker, without plugins."""

    has_plugins = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        admin = AdminClient({**QUIET, "bootstrap.servers": bootstrap})
        try:
            admin.list_topics(timeout=ANSWER_WITHIN_S)
        except KafkaException as error:
            why = error.args[0].str()
            raise Failed(f"no Kafka broker answers at {bootstrap} ({why}).") from None


class Broker:
    """`logmill serve` in a folder of its own; without other ports it runs without any configuration."""

    has_plugins = True

    def __init__(self, kafka_port, admin_port):
        self.bootstrap = f"127.0.0.1:{kafka_port}"
        self.admin = f"http://127.0.0.1:{admin_port}"
        self.program = executable()
        self.settings = []
        if kafka_port != 9092:
            self.settings += ["--set", f"listeners=PLAINTEXT://127.0.0.1:{kafka_port}"]
        if admin_port != 9644:
            self.settings += ["--set", f"admin.listener=127.0.0.1:{admin_port}"]

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="logmill-demo-"))
        self.log = self.folder / "broker.log"
        start = time.monotonic()
        with self.log.open("wb") as log:
            command = [self.program, "serve", *self.settings]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            self.await_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.folder)
            raise
        self.pid = self.process.pid
        shown = " ".join(["logmill serve", *self.settings])
        milliseconds = (time.monotonic() - start) * 1000
        say(f"$ {shown}")
        say(f"Process {self.pid} was ready for clients after {milliseconds:.0f} ms.")
        say(f"Kafka clients: {self.bootstrap}, admin: {self.admin}, data: {self.folder}/data")
        return self

    def await_ready(self):
        """Believes our own process only: anything may listen on the port already."""
        end = time.monotonic() + READY_WITHIN_S
        while READY not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None:
                raise Failed(f"the broker did not start.\n{self.reason()}\n{OTHER_PORTS}")
            if end < time.monotonic():
                raise Failed(f"the broker was not ready within {READY_WITHIN_S} s. It said:\n{self.last_words()}")
            time.sleep(0.005)

    def reason(self):
        """The sentence with which the broker ended, or all that it said."""
        lines = self.log.read_text(errors="replace").splitlines()
        told = [line.removeprefix(WORDS) for line in lines if line.startswith(WORDS)]
        return told[-1] if told else f"It said:\n{self.last_words()}"

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def __exit__(self, kind, _error, _trace):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        if kind is not None:
            say(f"\nThe broker's folder is kept: {self.folder}. Its last words:\n{self.last_words()}")
            return
        check(status == 0, "the broker stopped in order when it was asked to")
        shutil.rmtree(self.folder)

    def check_same_process(self):
        alive = self.process.poll() is None
        check(alive, f"it was one process from start to end: {self.pid}")

    def run(self, *words):
        """What the command line prints; its failure ends the demo."""
        admin = [] if self.admin.endswith(":9644") else ["--admin", self.admin]
        command = [self.program, *words, *admin]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"`logmill {' '.join(words)}` failed. It said:\n{done.stderr.strip()}")
        return done.stdout

    def logmill(self, *words):
        """Runs the command line as a user would, and shows both sides."""
        say(f"$ logmill {' '.join(words)}".replace(f"{ROOT}/", ""))
        said = self.run(*words).replace(f"{ROOT}/", "")
        say("\n".join(f"  {line}".rstrip() for line in said.splitlines()))
        return said

    def ask(self, *words):
        """An answer for the demo's own checks, as JSON; nothing is shown."""
        return json.loads(self.run(*words, "--json"))

    def component(self, guest):
        path = ROOT / "plugins" / "components" / f"{guest}.wasm"
        if not path.exists():
            raise Failed(f"{path} is missing: run `make demo`, or `plugins/build`.")
        return str(path)

    def install(self, guest, name):
        self.logmill("plugin", "install", self.component(guest), "--as", name)

    def activate(self, name):
        self.logmill("plugin", "activate", name)

    def bind(self, plugin, target, *options, **settings):
        """Binds a plugin to `--topic NAME` or `--group NAME`."""
        pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        self.logmill("plugin", "bind", plugin, *target, *options, *pairs)
