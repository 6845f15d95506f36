"""Figures beside Apache Kafka on this machine, in this run; README.md says how they are taken.

Owns: what is measured, in which order and how often. Start reading at `main`.
"""

import argparse
import dataclasses
import datetime
import itertools
import json
import os
import pathlib
import shlex
import sys
import tempfile
import time

import brokers
import machine
import report
import wire

BUSY_SHARE_MAX = 0.10
RECORDS = {1024: 500_000, 100: 2_500_000}
LATENCY_RATE = 5_000
LATENCY_SECONDS = 8
DURABLE_WRITES = 200
SETTLE_S = 1.0
IDLE_S = 3.0


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row of a table: a load, and the brokers that take it in turn."""

    kind: str  # produce, latency, verify
    payload: int
    partitions: int
    acks: str
    records: int
    rate: int = -1  # records a second, -1: as fast as it goes

    def sides(self):
        return ["plain", "verify"] if self.kind == "verify" else ["Kafka", "Logmill"]

    def words(self):
        load = f"{self.payload} B, {self.partitions} partitions, acks={self.acks}"
        return f"{self.kind} {load}"


@dataclasses.dataclass
class Sample:
    """What one load gave."""

    cell: Cell
    side: str
    round: int
    mib_s: float
    rate: float
    cpu_s: float
    ring_worker_s: float
    machine_s: float
    driver_s: float
    steal_s: float
    p50_ms: float
    p99_ms: float

    @property
    def mib(self):
        return self.cell.records * self.cell.payload / 2**20

    @property
    def per_cpu_s(self):
        return self.mib / max(self.cpu_s, 1 / machine.TICKS)

    @property
    def per_machine_s(self):
        return self.mib / max(self.machine_s, 1 / machine.TICKS)


def say(text):
    print(text, flush=True)


def options():
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="benches/run", description=about)
    parser.add_argument("--rounds", type=int, default=5, help="rounds at most (5)")
    parser.add_argument("--minutes", type=float, default=24, help="no round that ends later (24)")
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
    return chosen


def cells(quick):
    out = []
    records = dict.fromkeys(RECORDS, 4_000) if quick else RECORDS
    for payload, partitions, acks in itertools.product([1024, 100], [1, 16], ["1", "all"]):
        out.append(Cell("produce", payload, partitions, acks, records[payload]))
    seconds = 1 if quick else LATENCY_SECONDS
    for acks in ["1", "all"]:
        out.append(Cell("latency", 1024, 1, acks, LATENCY_RATE * seconds, LATENCY_RATE))
    for payload in [1024, 100]:
        out.append(Cell("verify", payload, 1, "1", records[payload]))
    return out


class Bench:
    def __init__(self, chosen, folder):
        self.chosen = chosen
        self.folder = folder
        self.begin = time.monotonic()
        self.topics = 0
        self.samples = []
        self.durable_ms = []
        self.starts = {"Kafka": [], "Logmill": []}
        self.idle_mib = {"Kafka": [], "Logmill": []}
        self.rounds = 0
        self.driver = brokers.Driver(folder)
        self.kafka = None
        self.logmill = None

    def minutes(self):
        return (time.monotonic() - self.begin) / 60

    def broker(self, side):
        return self.kafka if side == "Kafka" else self.logmill

    def stop(self):
        for broker in [self.kafka, self.logmill]:
            if broker is not None:
                broker.stop()
        self.driver.stop()

    def measure_starts(self):
        """Start to first accepted produce and idle memory, each on an empty folder."""
        counts = {"Logmill": 1, "Kafka": 1} if self.chosen.quick else {"Logmill": 7, "Kafka": 3}
        for attempt in range(max(counts.values())):
            for kind in [brokers.Kafka, brokers.Logmill]:
                if counts[kind.name] <= attempt:
                    continue
                broker = kind(self.folder / f"start-{kind.name}-{attempt}", self.driver)
                try:
                    seconds = broker.launch()
                    time.sleep(0.2 if self.chosen.quick else IDLE_S)
                    memory = machine.rss_mib(broker.process.pid)
                finally:
                    broker.remove()
                self.starts[kind.name].append(seconds * 1000)
                self.idle_mib[kind.name].append(memory)
                say(f"  {kind.name}: first produce after {seconds * 1000:.0f} ms, {memory:.0f} MiB")

    def launch(self):
        self.kafka = brokers.Kafka(self.folder / "kafka", self.driver)
        self.logmill = brokers.Logmill(self.folder / "logmill", self.driver)
        for broker in [self.kafka, self.logmill]:
            broker.launch()
        self.logmill.install_identity()

    def warm_up(self):
        """Every path of the loads, Kafka first; Logmill has no compiler and takes a tenth."""
        for side, records in [("Kafka", self.chosen.warmup), ("Logmill", self.chosen.warmup // 10)]:
            broker = self.broker(side)
            for payload, partitions, acks in [
                (1024, 1, "1"), (100, 1, "all"), (1024, 16, "all"), (100, 16, "1"),
            ]:  # fmt: skip
                cell = Cell("produce", payload, partitions, acks, max(records // 4, 1))
                sample = self.load(cell, side, -1)
                say(f"  {broker.name}, {cell.words()}: {sample.mib_s:.1f} MiB/s")

    def round(self, number, wanted):
        for cell in wanted:
            for side in cell.sides():
                sample = self.load(cell, side, number)
                self.samples.append(sample)
                say(
                    f"  {cell.words()}, {side}: {sample.mib_s:.1f} MiB/s, "
                    f"{sample.per_cpu_s:.0f} MiB per broker CPU-s, p99 {sample.p99_ms:.0f} ms"
                )
        count = 20 if self.chosen.quick else DURABLE_WRITES
        self.durable_ms += machine.durable_writes_ms(self.folder, count)

    def load(self, cell, side, number):
        """One load to one broker, the other one idle; the topic is new and goes afterwards."""
        broker = self.broker(side)
        self.topics += 1
        topic = f"load{self.topics}"
        broker.create_topic(topic, cell.partitions)
        if side == "verify":
            broker.bind_identity(topic)
        os.sync()
        time.sleep(0.1 if self.chosen.quick else SETTLE_S)
        sample = self.count(cell, side, number, broker, topic)
        broker.check_holds(topic, cell.partitions, cell.records)
        if side == "verify":
            broker.check_was_asked(topic, cell.records)
        broker.delete_topic(topic)
        return sample

    def count(self, cell, side, number, broker, topic):
        pid = broker.process.pid
        idle = self.logmill if broker is self.kafka else self.kafka
        idle_pid = idle.process.pid
        others = machine.process_cpu_s(idle_pid)
        ring = machine.ring_worker_cpu_s(pid)
        cpu = machine.process_cpu_s(pid)
        driver = self.driver.cpu_s()
        busy, steal = machine.machine_cpu_s()
        said = brokers.produce(self.driver, broker, topic, cell)
        cpu = machine.process_cpu_s(pid) - cpu
        ring = machine.ring_worker_cpu_s(pid) - ring
        # Writing back what lies in the page cache is part of the machine's price, not of the load's.
        os.sync()
        driver = self.driver.cpu_s() - driver
        others = machine.process_cpu_s(idle_pid) - others
        now_busy, now_steal = machine.machine_cpu_s()
        return Sample(
            cell=cell,
            side=side,
            round=number,
            mib_s=said["mib"],
            rate=said["rate"],
            cpu_s=cpu,
            ring_worker_s=ring,
            machine_s=now_busy - busy - driver - others,
            driver_s=driver,
            steal_s=now_steal - steal,
            p50_ms=said["p50"],
            p99_ms=said["p99"],
        )

    def run(self):
        say("Start to first accepted produce, and idle memory:")
        self.measure_starts()
        self.launch()
        say(f"Warm-up, {self.chosen.warmup:,} records to Kafka:")
        self.warm_up()
        wanted = cells(self.chosen.quick)
        longest = 0.0
        for number in range(self.chosen.rounds):
            if 0 < number and self.chosen.minutes < self.minutes() + longest:
                say(f"Round {number + 1} would not end within {self.chosen.minutes:.0f} minutes.")
                break
            before = self.minutes()
            say(f"Round {number + 1} of at most {self.chosen.rounds}, minute {before:.0f}:")
            self.round(number, wanted)
            self.rounds += 1
            longest = max(longest, self.minutes() - before)


def keep_raw(bench, path):
    samples = [dataclasses.asdict(sample) for sample in bench.samples]
    rest = {
        "starts_ms": bench.starts,
        "idle_mib": bench.idle_mib,
        "durable_write_ms": bench.durable_ms,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"samples": samples, **rest}, indent=1) + "\n")


def main():
    chosen = options()
    busy = machine.busy_share(0.2 if chosen.quick else 3)
    quiet = busy <= BUSY_SHARE_MAX
    say(f"Before the start {busy:.0%} of this machine's CPU was in use.")
    if chosen.write and not quiet:
        raise brokers.Failed("this machine is busy: such figures would not hold, nothing is measured")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", brokers.ROOT / "target"))
    parent = chosen.data or target / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=parent) as name:
        folder = pathlib.Path(name).resolve()
        bench = Bench(chosen, folder)
        try:
            bench.run()
        finally:
            bench.stop()
        facts = {
            "date": datetime.date.today().isoformat(),
            "machine": machine.describe(folder),
            "command": shlex.join(["benches/run", *sys.argv[1:]]),
            "busy": busy,
            "minutes": bench.minutes(),
        }
    text = report.tables(bench, facts)
    say("\n" + text)
    if chosen.quick or not quiet:
        say("These figures only show that the benchmark works: do not quote them.")
    if chosen.raw:
        keep_raw(bench, chosen.raw)
    if chosen.write:
        report.write(text)
        say(f"written to {report.README}")


if __name__ == "__main__":
    try:
        main()
    except (brokers.Failed, wire.Refused, ConnectionError) as error:
        sys.exit(f"benches/run: {error}")
