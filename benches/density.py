"""Many partitions: created, a first record to each, restarts, memory and descriptors of each.

Owns: the steps of one broker's life, their order, the table. Start reading at `life`.
"""

import dataclasses
import time

import brokers
import machine
import report

IDLE_S = 2.0
ACKS = ["1", "all"]
TOPIC = "many"


@dataclasses.dataclass
class Life:
    """One broker from its first start on, with one topic. Times in seconds, memory in KiB."""

    side: str
    partitions: int
    acks: str
    created: float = 0
    first: float = 0
    stop: float = 0
    restart: float = 0
    after_kill: float = 0
    idle_kib: float = 0
    active_kib: float = 0
    descriptors: int = 0


def counts(quick):
    """Partitions, and who takes them."""
    if quick:
        return [(200, ["Logmill"]), (100, ["Kafka", "Logmill"])]
    return [(10_000, ["Logmill"]), (5_000, ["Kafka", "Logmill"])]


class Density:
    def __init__(self, context):
        self.context = context
        self.driver = brokers.Driver(context.folder)
        self.samples = []

    def life(self, side, partitions, acks):
        kind = brokers.Kafka if side == "Kafka" else brokers.Logmill
        broker = kind(self.context.folder / "broker", self.driver)
        life = Life(side, partitions, acks)
        try:
            broker.launch()
            before = self.resident_kib(broker)
            life.created = self.load(broker, "create", life)["accepted_s"]
            idle = self.resident_kib(broker)
            life.idle_kib = (idle - before) / partitions
            life.first = self.load(broker, "one-record-to-each", life, "--acks", acks)["wall_s"]
            life.active_kib = (self.resident_kib(broker) - before) / partitions
            life.descriptors = machine.descriptors(broker.process.pid)
            life.stop = self.stop_cleanly(broker)
            life.restart = self.start(broker, life)
            # So that the crash finds work under way in every partition.
            self.load(broker, "one-record-to-each", life, "--acks", acks)
            broker.kill()
            life.after_kill = self.start(broker, life)
        finally:
            broker.remove()
        return life

    def load(self, broker, command, life, *words):
        where = ["--port", broker.port, "--topic", TOPIC, "--partitions", life.partitions]
        try:
            return self.context.tools.run("load", command, *where, *words)
        except brokers.Failed as error:
            raise brokers.Failed(f"{broker.name}: {error}\n{broker.last_words()}") from error

    def resident_kib(self, broker):
        time.sleep(0.2 if self.context.quick else IDLE_S)
        return machine.rss_mib(broker.process.pid) * 1024

    def stop_cleanly(self, broker):
        begin = time.perf_counter()
        if not broker.stop():
            words = f"{broker.name} did not stop cleanly: its next start would not be a clean one"
            raise brokers.Failed(f"{words}\n{broker.last_words()}")
        return time.perf_counter() - begin

    def start(self, broker, life):
        """Seconds from `exec` until all partitions have a leader and one accepts a record."""
        begin = time.perf_counter()
        broker.spawn()
        self.load(broker, "wait-until-writable", life)
        return time.perf_counter() - begin

    def run(self):
        self.context.tools.program("load")
        for _ in self.context.rounds():
            for partitions, sides in counts(self.context.quick):
                for acks in ACKS:
                    for side in sides:
                        if side == "Kafka" and acks != ACKS[0]:
                            continue  # It syncs neither, so that both are the same.
                        life = self.life(side, partitions, acks)
                        self.samples.append(life)
                        self.context.say(f"  {life}")

    def stop(self):
        self.driver.stop()


def table(lives):
    headings = [
        "partitions", "acks", "broker", "created s", "first record to each s", "stop s",
        "clean restart s", "after kill −9 s", "KiB each, idle", "KiB each, a record in each", "descriptors",
    ]  # fmt: skip
    names = ["created", "first", "stop", "restart", "after_kill"]
    names += ["idle_kib", "active_kib", "descriptors"]
    rows = []
    for key in dict.fromkeys((life.partitions, life.acks, life.side) for life in lives):
        alike = [life for life in lives if (life.partitions, life.acks, life.side) == key]
        values = ([getattr(life, name) for life in alike] for name in names)
        rows.append([f"{key[0]:,}", *key[1:], *map(report.spread, values)])
    return report.table(headings, rows)


def ratio_line(lives):
    """How many times faster than Kafka, within each round."""
    parts = []
    for name, words in [
        ("created", "created"), ("first", "first record to each"),
        ("restart", "clean restart"), ("after_kill", "start after kill −9"),
    ]:  # fmt: skip
        kafka = [life for life in lives if life.side == "Kafka"]
        pairs = [
            (life, other) for life, other in zip(kafka, lives_beside(lives, kafka), strict=True)
        ]
        ratios = [getattr(life, name) / getattr(other, name) for life, other in pairs]
        parts.append(f"{words} {report.spread(ratios)}")
    return f"Kafka's time divided by Logmill's, round by round: {'; '.join(parts)}."


def lives_beside(lives, kafka):
    """Logmill's life that followed each of Kafka's."""
    return [lives[lives.index(life) + 1] for life in kafka]


def run(context):
    bench = Density(context)
    lives = context.samples_of(bench)
    return f"{table(lives)}\n\n{ratio_line(lives)}"
