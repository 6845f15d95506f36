"""One total rate with acks=all over ever more partitions: what does their number cost?

Owns: the cells, their order, the table. Start reading at `Sweep.load`.
"""

import dataclasses

import brokers
import floor
import report
import window

MB = 1_000_000
KAFKA_PARTITIONS_MAX = 1_000


@dataclasses.dataclass(frozen=True)
class Shape:
    """What one request is, and how many bytes a second all of them are."""

    words: str
    batch_bytes: int
    record_bytes: int
    batches: int
    rate_mb: float


# The first gives a broker about a MB to write at once, the second as little as can be.
SHAPES = [
    Shape("16 batches of 16 KiB", 16_384, 1_024, 16, 32),
    Shape("one record of 1 KiB", 0, 1_024, 1, 1),
]
CONNECTIONS = 4


@dataclasses.dataclass
class Sample:
    side: str
    shape: Shape
    partitions: int
    round: int
    bytes: int
    unsent: int
    cpu_s: float
    machine_s: float
    device_bytes: int
    p50_ms: float
    p99_ms: float
    checkpoints: float | None

    @property
    def cpu_ms_per_mb(self):
        return self.cpu_s * 1000 / (self.bytes / MB)

    @property
    def machine_ms_per_mb(self):
        return self.machine_s * 1000 / (self.bytes / MB)

    @property
    def amplification(self):
        return self.device_bytes / self.bytes


class Sweep:
    def __init__(self, context):
        self.context = context
        self.partitions = [16, 64] if context.quick else [16, 1_000, 10_000]
        self.seconds = 2 if context.quick else 20
        self.warm_s = 1 if context.quick else 8
        self.driver = brokers.Driver(context.folder)
        self.sides = {
            kind.name: kind(context.folder / kind.name, self.driver)
            for kind in [brokers.Kafka, brokers.Logmill]
        }
        self.samples = []
        self.bare = {path: [] for path in floor.DURABLE}

    def takes(self, side, partitions):
        return side == "Logmill" or partitions <= KAFKA_PARTITIONS_MAX

    def prepare(self):
        """Every partition exists and has a record before anything is counted."""
        for side, broker in self.sides.items():
            broker.launch()
            for partitions in self.partitions:
                if self.takes(side, partitions):
                    self.native(broker, "create", partitions)
                    self.native(broker, "one-record-to-each", partitions, "--acks", "all")

    def native(self, broker, command, partitions, *words):
        where = ["--port", broker.port, "--topic", f"sweep{partitions}"]
        where += ["--partitions", partitions]
        try:
            return self.context.tools.run("load", command, *where, *words)
        except brokers.Failed as error:
            raise brokers.Failed(f"{broker.name}: {error}\n{broker.last_words()}") from error

    def warm_up(self):
        """Every path once; Kafka's compiler needs it most."""
        for side in self.sides:
            for shape in SHAPES:
                self.load(side, shape, self.partitions[0], -1, self.warm_s)

    def load(self, side, shape, partitions, number, seconds):
        broker = self.sides[side]
        idle = next(other for name, other in self.sides.items() if name != side)
        before = broker.checkpoints() if side == "Logmill" else None
        count = window.Window(broker, idle)
        said = self.native(
            broker, "produce", partitions, "--acks", "all", "--rate", shape.rate_mb,
            "--batch-bytes", shape.batch_bytes, "--record-bytes", shape.record_bytes,
            "--batches-per-request", shape.batches, "--connections", CONNECTIONS,
            "--seconds", seconds,
        )  # fmt: skip
        if said["errors"]:
            raise brokers.Failed(f"{side} refused batches, by error code: {said['errors']}")
        used = count.end()
        return Sample(
            side=side, shape=shape, partitions=partitions, round=number, bytes=said["bytes"],
            unsent=said["unsent"], **dataclasses.asdict(used),
            p50_ms=said["p50_ms"], p99_ms=said["p99_ms"],
            checkpoints=None if before is None else broker.checkpoints() - before,
        )  # fmt: skip

    def run(self):
        self.context.tools.program("load")
        self.prepare()
        self.warm_up()
        for number in self.context.rounds():
            for path, line in floor.bare_writes(self.context).items():
                self.bare[path].append(line)
            for shape in SHAPES:
                for partitions in self.partitions:
                    for side in self.sides:
                        if self.takes(side, partitions):
                            sample = self.load(side, shape, partitions, number, self.seconds)
                            self.samples.append(sample)
                            self.context.say(f"  {sample}")

    def stop(self):
        for broker in self.sides.values():
            broker.stop()
        self.driver.stop()


def checkpoints(samples):
    counts = [sample.checkpoints for sample in samples if sample.checkpoints is not None]
    return report.spread(counts, True) if counts else "–"


def table(samples):
    headings = [
        "request", "MB/s", "partitions", "broker", "broker CPU ms per MB", "machine CPU ms per MB",
        "× of fewest", "device bytes per byte", "p50 ms", "p99 ms", "× of fewest", "checkpoints",
        "not sent",
    ]  # fmt: skip
    key_of = lambda sample: (sample.shape, sample.partitions, sample.side)  # noqa: E731
    rows = []
    for shape, partitions, side in dict.fromkeys(map(key_of, samples)):
        of = lambda count: [s for s in samples if key_of(s) == (shape, count, side)]  # noqa: E731, B023
        here, fewest = of(partitions), of(min(s.partitions for s in samples))
        values = lambda name: [getattr(sample, name) for sample in here]  # noqa: E731, B023
        rows.append([
            shape.words, f"{shape.rate_mb:g}", f"{partitions:,}", side,
            report.spread(values("cpu_ms_per_mb")), report.spread(values("machine_ms_per_mb")),
            report.spread(report.ratios(here, fewest, "machine_ms_per_mb")),
            report.spread(values("amplification")),
            report.spread(values("p50_ms")), report.spread(values("p99_ms")),
            report.spread(report.ratios(here, fewest, "p99_ms")),
            checkpoints(here), sum(values("unsent")) or "",
        ])  # fmt: skip
    return report.table(headings, rows)


def run(context):
    bench = Sweep(context)
    samples = context.samples_of(bench)
    return f"{table(samples)}\n\n{floor.bare_line(bench.bare)}"
