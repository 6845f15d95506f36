"""The programs in Rust: building them, running them, reading their line of JSON.

Owns: where they are built (`build` in the work folder), one run at a time or one beside others.
Leaves to others: what their words mean (each package's `main.rs`).
"""

import json
import os
import pathlib
import subprocess

import brokers

BENCHES = pathlib.Path(__file__).resolve().parent
RUN_WITHIN_S = 900


class Tools:
    def __init__(self, work):
        self.target = work / "build"
        self.built = {}

    def program(self, package):
        """Builds `benches/PACKAGE` with optimisation once a run; returns the executable."""
        if package not in self.built:
            manifest = BENCHES / package / "Cargo.toml"
            words = ["cargo", "build", "--release", "--quiet", "--locked"]
            words += ["--manifest-path", manifest, "--target-dir", self.target]
            if subprocess.run(words, check=False).returncode != 0:
                raise brokers.Failed(f"{manifest} does not build")
            self.built[package] = self.target / "release" / package
        return self.built[package]

    def start(self, package, *words):
        """Starts a program; `end` returns what it found."""
        command = [self.program(package), *words]
        return Run(brokers.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))

    def run(self, package, *words):
        return self.start(package, *words).end()


class Run:
    def __init__(self, process):
        self.process = process

    def end(self):
        """Waits for its end; returns its JSON line as a dict."""
        command = " ".join(os.path.basename(str(word)) for word in self.process.args[3:])
        try:
            out, err = self.process.communicate(timeout=RUN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise brokers.Failed(f"`{command}` did not end within {RUN_WITHIN_S} s") from None
        if self.process.returncode != 0:
            raise brokers.Failed(f"`{command}`: {err.strip()}")
        return json.loads(out)
