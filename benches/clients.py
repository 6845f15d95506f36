"""Real clients: Java's producer at full speed and at a fixed load, the partitioner, start and idle.

Owns: the loads, their order, what is counted around each. Start reading at `run`.
"""

import dataclasses
import itertools
import os
import time

import brokers
import machine
import report

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


class Clients:
    def __init__(self, context):
        self.context = context
        self.folder = context.folder
        self.topics = 0
        self.samples = []
        self.durable_ms = []
        self.starts = {"Kafka": [], "Logmill": []}
        self.idle_mib = {"Kafka": [], "Logmill": []}
        self.driver = brokers.Driver(self.folder)
        self.kafka = None
        self.logmill = None

    def broker(self, side):
        return self.kafka if side == "Kafka" else self.logmill

    def stop(self):
        for broker in [self.kafka, self.logmill]:
            if broker is not None:
                broker.stop()
        self.driver.stop()

    def measure_starts(self):
        """Start to first accepted produce and idle memory, each on an empty folder."""
        counts = {"Logmill": 1, "Kafka": 1} if self.context.quick else {"Logmill": 7, "Kafka": 3}
        for attempt in range(max(counts.values())):
            for kind in [brokers.Kafka, brokers.Logmill]:
                if counts[kind.name] <= attempt:
                    continue
                broker = kind(self.folder / f"start-{kind.name}-{attempt}", self.driver)
                try:
                    seconds = broker.launch()
                    time.sleep(0.2 if self.context.quick else IDLE_S)
                    memory = machine.rss_mib(broker.process.pid)
                finally:
                    broker.remove()
                self.starts[kind.name].append(seconds * 1000)
                self.idle_mib[kind.name].append(memory)
                self.context.say(f"  {kind.name}: first produce after {seconds * 1000:.0f} ms, {memory:.0f} MiB")

    def launch(self):
        self.kafka = brokers.Kafka(self.folder / "kafka", self.driver)
        self.logmill = brokers.Logmill(self.folder / "logmill", self.driver)
        for broker in [self.kafka, self.logmill]:
            broker.launch()
        self.logmill.install_identity()

    def warm_up(self):
        """Every path of the loads, Kafka first; Logmill has no compiler and takes a tenth."""
        for side, records in [("Kafka", self.context.warmup), ("Logmill", self.context.warmup // 10)]:
            broker = self.broker(side)
            for payload, partitions, acks in [
                (1024, 1, "1"), (100, 1, "all"), (1024, 16, "all"), (100, 16, "1"),
            ]:  # fmt: skip
                cell = Cell("produce", payload, partitions, acks, max(records // 4, 1))
                sample = self.load(cell, side, -1)
                self.context.say(f"  {broker.name}, {cell.words()}: {sample.mib_s:.1f} MiB/s")

    def round(self, number, wanted):
        for cell in wanted:
            for side in cell.sides():
                sample = self.load(cell, side, number)
                self.samples.append(sample)
                self.context.say(
                    f"  {cell.words()}, {side}: {sample.mib_s:.1f} MiB/s, "
                    f"{sample.per_cpu_s:.0f} MiB per broker CPU-s, p99 {sample.p99_ms:.0f} ms"
                )
        count = 20 if self.context.quick else DURABLE_WRITES
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
        time.sleep(0.1 if self.context.quick else SETTLE_S)
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
        self.context.say("Start to first accepted produce, and idle memory:")
        self.measure_starts()
        self.launch()
        self.context.say(f"Warm-up, {self.context.warmup:,} records to Kafka:")
        self.warm_up()
        wanted = cells(self.context.quick)
        for number in self.context.rounds():
            self.round(number, wanted)

    def raw(self):
        return {
            "samples": [dataclasses.asdict(sample) for sample in self.samples],
            "starts_ms": self.starts,
            "idle_mib": self.idle_mib,
            "durable_write_ms": self.durable_ms,
        }


def run(context):
    bench = Clients(context)
    try:
        bench.run()
    finally:
        bench.stop()
    context.raw = bench.raw()
    return report.clients(bench)
