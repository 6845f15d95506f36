"""The broker of the demo, and the `logmill` command that talks to it."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from talk import Failed, check, say

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_WITHIN_S = 30
STOP_WITHIN_S = 30


def executable():
    """`make demo` has built it; LOGMILL names another one."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get("LOGMILL", target / "debug" / "logmill")).resolve()
    if not path.exists():
        raise Failed(f"{path} is there: run `make demo`, or `cargo build`")
    return path


class Plain:
    """Some running broker, without plugins."""

    has_plugins = False

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap


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
            raise
        self.pid = self.process.pid
        shown = " ".join(["logmill serve", *self.settings])
        milliseconds = (time.monotonic() - start) * 1000
        say(f"$ {shown}")
        say(f"Process {self.pid} took its first connection after {milliseconds:.0f} ms.")
        say(f"Kafka clients: {self.bootstrap}, admin: {self.admin}, data: {self.folder}/data")
        return self

    def await_ready(self):
        host, port = self.bootstrap.split(":")
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"the broker starts; it said:\n{self.last_words()}")
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                time.sleep(0.005)
        raise Failed(f"the broker takes connections; it said:\n{self.last_words()}")

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

    def logmill(self, *words, quiet=False):
        """Runs the command line as a user would, shows both sides, and returns the answer's JSON."""
        if not quiet:
            say(f"$ logmill {' '.join(words)}".replace(f"{ROOT}/", ""))
        admin = [] if self.admin.endswith(":9644") else ["--admin", self.admin]
        command = [self.program, *words, *admin]
        run = subprocess.run([*command, "--json"], cwd=self.folder, capture_output=True, text=True)
        if run.returncode != 0:
            raise Failed(f"`logmill {' '.join(words)}` works; it said: {run.stderr.strip()}")
        return json.loads(run.stdout)

    def component(self, guest):
        path = ROOT / "plugins" / "components" / f"{guest}.wasm"
        if not path.exists():
            raise Failed(f"{path} is there: run `make demo`, or `plugins/build`")
        return str(path)

    def install(self, guest, name):
        answer = self.logmill("plugin", "install", self.component(guest), "--as", name)
        say(f"  {answer['kind']}, {answer['bytes']:,} bytes, reads: {', '.join(answer['reads']) or 'nothing'}")

    def activate(self, name):
        answer = self.logmill("plugin", "activate", name)
        shards = f"{answer['shards_ready']} of {answer['shards']} shards"
        say(f"  {name} is live on {shards}, after {answer['elapsed_ms']} ms")
