"""acks=all that survives power, beside Kafka that syncs every message and Kafka that never syncs.

Owns: the sides, the loads, their order, the tables. Start reading at `Durable.run`.
"""

import dataclasses

import brokers
import clients
import floor
import report
import window

RECORD_BYTES = 1024
PARTITIONS = [1, 16]
RATE_MB = 1.0
LOGMILL, SYNCED, UNSYNCED = "Logmill", "Kafka, flush.messages=1", "Kafka"
SIDES = [SYNCED, LOGMILL, UNSYNCED]
SETTINGS = {SYNCED: ["--config", "flush.messages=1"]}


@dataclasses.dataclass
class Sample:
    """Java's producer at full speed (`mib_s` to `device_bytes`), then a fixed load (`p50_ms`, …)."""

    side: str
    partitions: int
    round: int
    records: int
    mib_s: float
    cpu_s: float
    machine_s: float
    device_bytes: int
    p50_ms: float
    p99_ms: float
    unsent: int

    @property
    def mib(self):
        return self.records * RECORD_BYTES / 2**20

    @property
    def per_cpu_s(self):
        return self.mib / max(self.cpu_s, 0.01)

    @property
    def per_machine_s(self):
        return self.mib / max(self.machine_s, 0.01)

    @property
    def amplification(self):
        return self.device_bytes / (self.records * RECORD_BYTES)


class Durable:
    def __init__(self, context):
        self.context = context
        self.records = dict.fromkeys(SIDES, 4_000 if context.quick else 300_000)
        if not context.quick:
            self.records[SYNCED] = 20_000  # Each of them waits for the disk: that lasts long enough.
        self.seconds = 1 if context.quick else 10
        self.driver = brokers.Driver(context.folder)
        self.kafka = brokers.Kafka(context.folder / "kafka", self.driver)
        self.logmill = brokers.Logmill(context.folder / "logmill", self.driver)
        self.topics = 0
        self.samples = []
        self.bare = {path: [] for path in floor.DURABLE}

    def pair(self, side):
        """The broker of this side, and the idle one."""
        logmill = side == LOGMILL
        return (self.logmill, self.kafka) if logmill else (self.kafka, self.logmill)

    def native(self, broker, command, topic, partitions, *words):
        where = ["--port", broker.port, "--topic", topic, "--partitions", partitions]
        return self.context.tools.run("load", command, *where, *words)

    def topic(self, broker, side, partitions):
        self.topics += 1
        topic = f"durable{self.topics}"
        self.native(broker, "create", topic, partitions, *SETTINGS.get(side, []))
        # Kafka says that a partition has a leader before it takes records for it.
        self.native(broker, "one-record-to-each", topic, partitions, "--acks", "1")
        return topic

    def full_speed(self, side, partitions, records):
        broker, idle = self.pair(side)
        topic = self.topic(broker, side, partitions)
        cell = clients.Cell("produce", RECORD_BYTES, partitions, "all", records)
        count = window.Window(broker, idle)
        said = brokers.produce(self.driver, broker, topic, cell)
        used = count.end()
        # Those of the waiting are there too.
        broker.check_holds(topic, partitions, records + partitions + 1)
        broker.delete_topic(topic)
        return said["mib"], used

    def fixed(self, side, partitions):
        broker, _idle = self.pair(side)
        topic = self.topic(broker, side, partitions)
        said = self.native(
            broker, "produce", topic, partitions, "--acks", "all", "--rate", RATE_MB,
            "--batch-bytes", 0, "--record-bytes", RECORD_BYTES, "--seconds", self.seconds,
        )  # fmt: skip
        if said["errors"]:
            raise brokers.Failed(f"{side} refused batches, by error code: {said['errors']}")
        broker.delete_topic(topic)
        return said

    def sample(self, side, partitions, number):
        records = self.records[side]
        mib_s, used = self.full_speed(side, partitions, records)
        said = self.fixed(side, partitions)
        return Sample(
            side, partitions, number, records, mib_s, **dataclasses.asdict(used),
            p50_ms=said["p50_ms"], p99_ms=said["p99_ms"], unsent=said["unsent"],
        )  # fmt: skip

    def run(self):
        self.context.tools.program("load")
        for broker in [self.kafka, self.logmill]:
            broker.launch()
        self.context.say(f"Warm-up, {self.context.warmup:,} records to Kafka:")
        for partitions in PARTITIONS:
            for side, share in [(UNSYNCED, 2), (LOGMILL, 20)]:
                self.full_speed(side, partitions, max(self.context.warmup // share, 1))
                self.fixed(side, partitions)
        for number in self.context.rounds():
            for path, line in floor.bare_writes(self.context).items():
                self.bare[path].append(line)
            for partitions in PARTITIONS:
                for side in SIDES:
                    sample = self.sample(side, partitions, number)
                    self.samples.append(sample)
                    self.context.say(f"  {sample}")

    def stop(self):
        for broker in [self.kafka, self.logmill]:
            broker.stop()
        self.driver.stop()


def table(samples):
    headings = [
        "partitions", "broker", "MiB/s", "MiB per broker CPU-s", "MiB per machine CPU-s",
        "device bytes per byte", "p50 ms at 1 MB/s", "p99 ms at 1 MB/s", "not sent",
    ]  # fmt: skip
    names = ["mib_s", "per_cpu_s", "per_machine_s", "amplification", "p50_ms", "p99_ms"]
    rows = []
    for partitions in PARTITIONS:
        for side in SIDES:
            here = of(samples, partitions, side)
            values = [report.spread([getattr(sample, name) for sample in here]) for name in names]
            rows.append([partitions, side, *values, sum(s.unsent for s in here) or ""])
    return report.table(headings, rows)


def of(samples, partitions, side):
    return [s for s in samples if (s.partitions, s.side) == (partitions, side)]


def comparison(samples, bare):
    """What the figures are for: Logmill beside both, round by round."""
    headings = [
        "partitions", f"MiB/s, × {SYNCED}", "MiB per CPU-s, × Kafka",
        "p99 ms", "p99 ms of one bare durable write + Kafka",
    ]  # fmt: skip
    # What Logmill waits for is the better of the two ways.
    writes = [min(pair) for pair in zip(*([w["p99_ms"] for w in way] for way in bare.values()))]
    rows = []
    for partitions in PARTITIONS:
        ours, synced, unsynced = (of(samples, partitions, s) for s in [LOGMILL, SYNCED, UNSYNCED])
        allowed = [a + b.p99_ms for a, b in zip(writes, unsynced, strict=True)]
        rows.append([
            partitions, f"**{report.spread(report.ratios(ours, synced, 'mib_s'))}**",
            f"**{report.spread(report.ratios(ours, unsynced, 'per_cpu_s'))}**",
            report.spread([sample.p99_ms for sample in ours]), report.spread(allowed),
        ])  # fmt: skip
    return report.table(headings, rows)


def run(context):
    bench = Durable(context)
    samples = context.samples_of(bench)
    parts = [table(samples), comparison(samples, bench.bare)]
    return "\n\n".join([*parts, floor.bare_line(bench.bare)])
