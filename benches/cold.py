"""A reader from the start of a log that is larger than the memory: does anybody else notice?

Owns: the memory cgroup's size, the loads with and without that reader, the table.
Start reading at `Cold.load`.
"""

import dataclasses
import os

import brokers
import machine
import report

MIB = 2**20
PARTITIONS = 4
RATE_MB = 20
# MB/s of the reader from the start: none, one that leaves CPU to others, one at full speed.
ALONE = "–"
COLD = [ALONE, "100", "max"]
TOPIC = "long"
ACKS = ["1", "all"]


@dataclasses.dataclass
class Sample:
    side: str
    acks: str
    cold: str
    round: int
    produce_p50_ms: float
    produce_p99_ms: float
    tail_p50_ms: float
    tail_p99_ms: float
    cold_mib_s: float
    unsent: int


@dataclasses.dataclass(frozen=True)
class Size:
    memory_mib: int
    log_mib: int
    seconds: int


def size(quick):
    """Kafka's heap alone may take 1 GiB."""
    return Size(1536, 2048, 3) if quick else Size(2048, 6144, 15)


class Cold:
    def __init__(self, context):
        self.context = context
        self.size = size(context.quick)
        self.driver = brokers.Driver(context.folder)
        self.group = machine.MemoryGroup(self.size.memory_mib * MIB)
        self.samples = []

    def native(self, broker, command, *words):
        where = ["--port", broker.port, "--topic", TOPIC, "--partitions", PARTITIONS]
        return self.context.tools.start("load", command, *where, *words)

    def life(self, kind, number):
        """One broker in the group, from an empty folder on: the log, then the loads."""
        broker = kind(self.context.folder / "broker", self.driver, self.group)
        hits = self.group.hits()
        try:
            broker.launch()
            self.native(broker, "create").end()
            self.native(broker, "one-record-to-each", "--acks", "1").end()
            filled = self.native(
                broker, "produce", "--acks", "1", "--seconds", 600, "--batch-bytes", 128 * 1024,
                "--bytes-max", self.size.log_mib * MIB,
            ).end()  # fmt: skip
            self.context.say(f"  {kind.name}: a log of {filled['bytes'] // MIB} MiB")
            if self.group.hits() == hits:
                raise brokers.Failed("the memory cgroup was never full: nothing would be cold")
            os.sync()
            for acks in ACKS:
                self.load(broker, acks, ALONE, -1)  # Kafka's compiler needs to see it first.
                for cold in COLD:
                    sample = self.load(broker, acks, cold, number)
                    self.samples.append(sample)
                    self.context.say(f"  {sample}")
        except brokers.Failed as error:
            raise brokers.Failed(f"{broker.name}: {error}\n{broker.last_words()}") from error
        finally:
            broker.remove()

    def load(self, broker, acks, cold, number):
        """A producer and a tail reader at a fixed rate, if wanted beside a reader from the start."""
        seconds = self.size.seconds
        # Readers are there before the producer is, and longer than it may lag.
        tail = self.native(broker, "consume", "--from", "latest", "--seconds", seconds + 6)
        words = ["--from", "earliest", "--again", "--seconds", seconds + 1, "--rate", cold]
        reader = None if cold == ALONE else self.native(broker, "consume", *words)
        said = self.native(
            broker, "produce", "--acks", acks, "--rate", RATE_MB, "--seconds", seconds
        ).end()
        read = reader.end() if reader else None
        seen = tail.end()
        if said["errors"] or seen["records"] == 0:
            raise brokers.Failed(f"refused, by error code: {said['errors']}; tail read: {seen}")
        return Sample(
            side=broker.name, acks=acks, cold=cold, round=number,
            produce_p50_ms=said["p50_ms"], produce_p99_ms=said["p99_ms"],
            tail_p50_ms=seen["p50_ms"], tail_p99_ms=seen["p99_ms"],
            cold_mib_s=read["bytes"] / MIB / read["wall_s"] if read else 0,
            unsent=said["unsent"],
        )  # fmt: skip

    def run(self):
        self.context.tools.program("load")
        for number in self.context.rounds():
            for kind in [brokers.Kafka, brokers.Logmill]:
                self.life(kind, number)

    def stop(self):
        self.driver.stop()
        self.group.remove()


def table(samples):
    headings = [
        "acks", "broker", "cold reader MB/s", "it read MiB/s", "produce p50 ms", "produce p99 ms",
        "× alone", "tail p50 ms", "tail p99 ms", "× alone", "not sent",
    ]  # fmt: skip
    rows = []
    for acks in ACKS:
        for side in ["Kafka", "Logmill"]:
            alike = [s for s in samples if (s.acks, s.side) == (acks, side)]
            alone = [s for s in alike if s.cold == ALONE]
            for cold in COLD:
                here = [s for s in alike if s.cold == cold]
                row = [acks, side, cold, report.spread([s.cold_mib_s for s in here])]
                for what in ["produce", "tail"]:
                    for name in [f"{what}_p50_ms", f"{what}_p99_ms"]:
                        row.append(report.spread([getattr(s, name) for s in here]))
                    ratio = report.spread(report.ratios(here, alone, f"{what}_p99_ms"))
                    row.append("1" if cold == ALONE else f"**{ratio}**")
                rows.append([*row, sum(s.unsent for s in here) or ""])
    return report.table(headings, rows)


def run(context):
    bench = Cold(context)
    samples = context.samples_of(bench)
    chosen = bench.size
    about = f"Memory cgroup: {chosen.memory_mib:,} MiB; log before the loads: {chosen.log_mib:,} MiB."
    return f"{about}\n\n{table(samples)}"
