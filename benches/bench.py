"""Figures beside Apache Kafka on this machine, in this run; README.md says how they are taken.

Owns: the command line, which benches run, rounds, what is written where.
Leaves to others: what is measured (one module a bench). Start reading at `main`.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import shlex
import sys
import tempfile
import time

import against
import brokers
import clients
import cold
import density
import durable
import floor
import machine
import modes
import native
import report
import sweep
import wire

BUSY_SHARE_MAX = 0.10
# What each is called, in the order in which they run; `run(context)` returns its tables.
BENCHES = {
    "clients": clients,
    "floor": floor,
    "against-floor": against,
    "durable-sweep": sweep,
    "durable-vs-kafka": durable,
    "journal-or-file": modes,
    "density": density,
    "cold-reader": cold,
}
BY_DEFAULT = ["clients"]


def options():
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="benches/run", description=about)
    parser.add_argument(
        "--only", metavar="NAME,…", default=",".join(BY_DEFAULT),
        help=f"which: {', '.join(BENCHES)} ({', '.join(BY_DEFAULT)})",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="rounds at most, each bench (5)")
    parser.add_argument(
        "--minutes", type=float, default=24, help="each bench: no round that ends later (24)"
    )
    parser.add_argument("--warmup", type=int, default=5_000_000, help="records to Kafka first (5M)")
    parser.add_argument("--quick", action="store_true", help="tiny counts: shows that it works")
    parser.add_argument("--write", action="store_true", help="put the tables into README.md")
    parser.add_argument("--raw", type=pathlib.Path, metavar="FILE", help="keep all samples as JSON")
    parser.add_argument("--data", type=pathlib.Path, metavar="DIR", help="where the data goes")
    chosen = parser.parse_args()
    if chosen.quick and chosen.write:
        parser.error("figures of --quick mean nothing: they are not written")
    if chosen.quick:
        chosen.rounds, chosen.warmup = 1, 8_000
    chosen.only = chosen.only.split(",")
    for name in chosen.only:
        if name not in BENCHES:
            parser.error(f"--only: {name!r} is none of {', '.join(BENCHES)}")
    return chosen


class Context:
    """What one bench gets: its folder, how much it may do, where it speaks."""

    def __init__(self, chosen, work, folder):
        self.quick = chosen.quick
        self.rounds_max = chosen.rounds
        self.minutes_max = chosen.minutes
        self.warmup = chosen.warmup
        self.folder = folder
        self.tools = native.Tools(work)
        self.raw = None
        self.rounds_done = 0
        self.begin = time.monotonic()
        self.busy_s, self.steal_s = machine.machine_cpu_s()

    def say(self, text):
        print(text, flush=True)

    def minutes(self):
        return (time.monotonic() - self.begin) / 60

    def rounds(self):
        """Yields 0, 1, … while a round as long as the longest one would end in time."""
        longest = 0.0
        for number in range(self.rounds_max):
            if 0 < number and self.minutes_max < self.minutes() + longest:
                self.say(f"Round {number + 1} would not end in {self.minutes_max:.0f} minutes.")
                return
            before = self.minutes()
            self.say(f"Round {number + 1} of at most {self.rounds_max}, minute {before:.0f}:")
            yield number
            self.rounds_done += 1
            longest = max(longest, self.minutes() - before)

    def samples_of(self, bench):
        """Runs a bench, and stops it whatever comes; its samples, which are kept."""
        try:
            bench.run()
        finally:
            bench.stop()
        self.raw = [dataclasses.asdict(sample) for sample in bench.samples]
        return bench.samples

    def facts(self, before, after):
        """One line: when, how, on what."""
        used, steal = machine.machine_cpu_s()
        share = (steal - self.steal_s) / max(used - self.busy_s, 0.01)
        return (
            f"{datetime.date.today().isoformat()}, `{shlex.join(['benches/run', *sys.argv[1:]])}`, "
            f"{self.rounds_done} rounds, {self.minutes():.0f} min. {machine.describe(self.folder)}. "
            f"CPU in use before and after: {before:.0%}, {after:.0%}; "
            f"kept by the host: {share:.1%} of what was used."
        )


def keep_raw(raw, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(raw, indent=1) + "\n")


def busy_share(chosen):
    """What others use of this machine: measured while none of our brokers runs."""
    return machine.busy_share(0.2 if chosen.quick else 3)


def measure(name, chosen, work):
    """Runs one bench; returns its samples, its text, and whether the machine was quiet."""
    before = busy_share(chosen)
    print(f"{name}: before it {before:.0%} of this machine's CPU was in use.", flush=True)
    if chosen.write and BUSY_SHARE_MAX < before:
        raise brokers.Failed("this machine is busy: such figures would not hold, nothing is measured")
    data = chosen.data or work
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=data) as folder:
        context = Context(chosen, work, pathlib.Path(folder).resolve())
        text = BENCHES[name].run(context)
        after = busy_share(chosen)
        text = f"{context.facts(before, after)}\n\n{text}"
    return context.raw, text, max(before, after) <= BUSY_SHARE_MAX


def main():
    chosen = options()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", brokers.ROOT / "target"))
    work = (target / "bench").resolve()
    raw = {}
    for name in chosen.only:
        raw[name], text, quiet = measure(name, chosen, work)
        print("\n" + text, flush=True)
        if chosen.quick or not quiet:
            print("These figures only show that the benchmark works: do not quote them.")
        if chosen.raw:
            keep_raw(raw, chosen.raw)
        if chosen.write and not quiet:
            raise brokers.Failed("this machine became busy: these figures are not written")
        if chosen.write:
            report.write(name, text)
            print(f"written to {report.README}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (brokers.Failed, machine.Missing, wire.Refused, ConnectionError) as error:
        sys.exit(f"benches/run: {error}")
