"""Brokers against the floor: bytes per CPU-second of both, in the same round.

Owns: which load stands against which program of `benches/floor`, the table.
"""

import dataclasses

import brokers
import floor
import report
import window

KIB = 1024
MIB = 2**20
BATCHES = [16 * KIB, 128 * KIB]


@dataclasses.dataclass
class Sample:
    side: str
    program: str
    unit: int
    round: int
    bytes: int
    wall_s: float
    cpu_s: float
    machine_s: float

    @property
    def mib_s(self):
        return self.bytes / MIB / self.wall_s

    @property
    def per_cpu_s(self):
        return self.bytes / MIB / max(self.cpu_s, 0.01)

    @property
    def per_machine_s(self):
        return self.bytes / MIB / max(self.machine_s, 0.01)


class Against:
    def __init__(self, context):
        self.context = context
        self.mib = 64 if context.quick else 1024
        self.driver = brokers.Driver(context.folder)
        self.sides = [
            kind(context.folder / kind.name, self.driver)
            for kind in [brokers.Kafka, brokers.Logmill]
        ]
        self.topics = 0
        self.samples = []
        self.floors = {}  # MiB per CPU-second of each round, by (program, unit) and path

    def native(self, broker, command, topic, *words):
        where = ["--port", broker.port, "--topic", topic, "--partitions", 1]
        return self.context.tools.run("load", command, *where, *words)

    def floor(self):
        """All throughput programs of the floor once."""
        for (program, path, unit), words in floor.programs(self.context):
            if program in ["produce", "consume"]:
                [rate] = floor.per([floor.measure(self.context, words)], "cpu_s")
                paths = self.floors.setdefault((program, unit), {})
                paths.setdefault(path, []).append(rate)

    def load(self, broker, batch):
        """Yields what was done, its JSON and what was used: one log, written and then read."""
        idle = next(other for other in self.sides if other is not broker)
        self.topics += 1
        topic = f"against{self.topics}"
        self.native(broker, "create", topic)
        count = window.Window(broker, idle)
        said = self.native(
            broker, "produce", topic, "--acks", "1", "--batch-bytes", batch,
            "--bytes-max", self.mib * MIB, "--seconds", 120,
        )  # fmt: skip
        if said["errors"]:
            raise brokers.Failed(f"{broker.name} refused, by error code: {said['errors']}")
        yield "produce", batch, said, count.end()
        if batch == BATCHES[-1]:
            count = window.Window(broker, idle)
            said = self.native(broker, "consume", topic, "--from", "earliest", "--once")
            yield "consume", MIB, said, count.end()
        broker.delete_topic(topic)

    def run(self):
        self.context.tools.program("load")
        for broker in self.sides:
            broker.launch()
        for broker in self.sides:
            # Kafka's compiler first needs to see each path.
            for _ in range(1 if self.context.quick else 3):
                for batch in BATCHES:
                    list(self.load(broker, batch))
        for number in self.context.rounds():
            self.floor()
            for batch in BATCHES:
                for broker in self.sides:
                    for program, unit, said, used in self.load(broker, batch):
                        sample = Sample(
                            broker.name, program, unit, number, said["bytes"], said["wall_s"],
                            used.cpu_s, used.machine_s,
                        )  # fmt: skip
                        self.samples.append(sample)
                        self.context.say(f"  {sample}")

    def stop(self):
        for broker in self.sides:
            broker.stop()
        self.driver.stop()


def table(samples, floors):
    headings = [
        "load", "unit", "broker", "MiB/s", "MiB per broker CPU-s", "MiB per machine CPU-s",
        "best path of the floor", "its MiB per CPU-s", "share of the floor",
    ]  # fmt: skip
    rows = []
    for key in sorted({(s.program, s.unit, s.side) for s in samples}, reverse=True):
        here = [s for s in samples if (s.program, s.unit, s.side) == key]
        names = ["mib_s", "per_cpu_s", "per_machine_s"]
        values = [report.spread([getattr(s, name) for s in here]) for name in names]
        paths = floors[key[:2]]
        best = max(paths, key=lambda path: report.median(paths[path]))
        share = report.spread([s.per_cpu_s / paths[best][s.round] for s in here])
        rows.append([
            key[0], f"{key[1] // KIB} KiB", key[2], *values,
            best, report.spread(paths[best]), f"**{share}**",
        ])  # fmt: skip
    return report.table(headings, rows)


def run(context):
    bench = Against(context)
    try:
        bench.run()
    finally:
        bench.stop()
    context.raw = [dataclasses.asdict(sample) for sample in bench.samples]
    return table(bench.samples, bench.floors)
