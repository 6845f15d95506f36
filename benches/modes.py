"""acks=all by the journal or by the partitions' own files: where does one overtake the other?

Owns: the loads, their order, the table. Start reading at `Modes.load`.
"""

import dataclasses

import brokers
import floor
import report
import window

KIB = 1024
MB = 1_000_000
BATCHES = [16 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, 1_000_000]
PARTITIONS = [1, 16, 200]
CONNECTIONS = 4
# A request carries so many bytes of small batches, for as many partitions.
REQUEST_BYTES = 256 * KIB
BATCHES_MAX = 16
JOURNAL, FILE = "journal", "file"
# The journal of the one takes any of these batches.
SETTINGS = {JOURNAL: [], FILE: ["journal.bytes=0"]}


@dataclasses.dataclass
class Sample:
    mode: str
    partitions: int
    batch_bytes: int
    round: int
    bytes: int
    wall_s: float
    cpu_s: float
    machine_s: float
    device_bytes: int
    p50_ms: float
    p99_ms: float

    @property
    def mb_s(self):
        return self.bytes / MB / self.wall_s

    @property
    def machine_ms_per_mb(self):
        return self.machine_s * 1000 / (self.bytes / MB)


class Modes:
    def __init__(self, context):
        self.context = context
        self.batches = BATCHES[:2] if context.quick else BATCHES
        self.partitions = PARTITIONS[:2] if context.quick else PARTITIONS
        self.seconds = 1 if context.quick else 2
        self.driver = brokers.Driver(context.folder)
        self.samples = []
        self.bare = {path: [] for path in floor.DURABLE}

    def native(self, broker, command, partitions, *words):
        where = ["--port", broker.port, "--topic", "modes", "--partitions", partitions]
        return self.context.tools.run("load", command, *where, *words)

    def load(self, broker, mode, partitions, batch, number):
        count = window.Window(broker)
        said = self.native(
            broker, "produce", partitions, "--acks", "all", "--batch-bytes", batch,
            "--batches-per-request", max(1, min(partitions, REQUEST_BYTES // batch, BATCHES_MAX)),
            "--connections", CONNECTIONS, "--seconds", self.seconds,
        )  # fmt: skip
        if said["errors"]:
            raise brokers.Failed(f"refused batches, by error code: {said['errors']}")
        return Sample(
            mode, partitions, batch, number, said["bytes"], said["wall_s"],
            **dataclasses.asdict(count.end()), p50_ms=said["p50_ms"], p99_ms=said["p99_ms"],
        )  # fmt: skip

    def life(self, mode, partitions, number):
        """One broker on an empty folder, so that no load finds a full disk."""
        broker = brokers.Logmill(self.context.folder / "broker", self.driver, settings=SETTINGS[mode])
        try:
            broker.launch()
            self.native(broker, "create", partitions)
            self.native(broker, "one-record-to-each", partitions, "--acks", "all")
            # Its journal is made by then; a load's first moments would else be the other mode's.
            self.load(broker, mode, partitions, self.batches[0], -1)
            for batch in self.batches:
                sample = self.load(broker, mode, partitions, batch, number)
                self.samples.append(sample)
                self.context.say(f"  {sample}")
        finally:
            broker.remove()

    def run(self):
        self.context.tools.program("load")
        for number in self.context.rounds():
            for path, line in floor.bare_writes(self.context).items():
                self.bare[path].append(line)
            for partitions in self.partitions:
                for mode in SETTINGS:
                    self.life(mode, partitions, number)

    def stop(self):
        self.driver.stop()


def table(samples):
    headings = [
        "partitions", "batch", "journal MB/s", "file MB/s", "journal × file",
        "journal, machine CPU ms per MB", "file", "journal p99 ms", "file p99 ms",
    ]  # fmt: skip
    rows = []
    for partitions, batch in dict.fromkeys((s.partitions, s.batch_bytes) for s in samples):
        alike = [s for s in samples if (s.partitions, s.batch_bytes) == (partitions, batch)]
        sides = [[s for s in alike if s.mode == mode] for mode in [JOURNAL, FILE]]
        both = lambda name: [report.spread([getattr(s, name) for s in side]) for side in sides]  # noqa: E731, B023
        ratio = report.spread(report.ratios(*sides, "mb_s"))
        rows.append([
            partitions, f"{batch / KIB:,.0f} KiB", *both("mb_s"), f"**{ratio}**",
            *both("machine_ms_per_mb"), *both("p99_ms"),
        ])  # fmt: skip
    return report.table(headings, rows)


def run(context):
    bench = Modes(context)
    samples = context.samples_of(bench)
    return f"{table(samples)}\n\n{floor.bare_line(bench.bare)}"
