"""Step 3: a consumer group whose assignment rule is swapped while it reads."""

import threading
import time

from confluent_kafka import Consumer

from clients import QUIET
from flights import row_of
from talk import Failed, check, number, say, table, title

GROUP = "flight-readers"
MEMBERS = ["fast-1", "slow-1", "slow-2"]
WEIGHTS = {"fast": 2, "slow": 1}
PARTITIONS = 6
# Some 20,000 rows a second and member, so that the rule changes in the middle of the work.
TURN_ROWS = 600
TURN_S = 0.03
WITHIN_S = 60


class Member(threading.Thread):
    """One consumer. Remembers what it read; commits before it gives partitions away."""

    def __init__(self, broker, name):
        super().__init__(name=name, daemon=True)
        self.rows, self.owned, self.error = [], None, None
        self.ending = threading.Event()
        self.consumer = Consumer(
            {
                **QUIET,
                "bootstrap.servers": broker.bootstrap,
                "client.id": name,
                "group.id": GROUP,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "heartbeat.interval.ms": 300,
            }
        )
        self.consumer.subscribe(["flights"], on_assign=self.assigned, on_revoke=self.revoked)

    def assigned(self, _consumer, places):
        self.owned = tuple(sorted(place.partition for place in places))

    def revoked(self, _consumer, _places):
        self.owned = None
        self.commit()

    def commit(self):
        places = [p for p in self.consumer.position(self.consumer.assignment()) if 0 <= p.offset]
        if places:
            self.consumer.commit(offsets=places, asynchronous=False)

    def run(self):
        try:
            while not self.ending.is_set():
                for message in self.consumer.consume(TURN_ROWS, 0.1):
                    if message.error():
                        raise Failed(f"{self.name} could not read: {message.error()}")
                    self.rows.append(row_of(message.value()))
                time.sleep(TURN_S)
            self.commit()
            self.consumer.close()
        except Exception as error:  # shown by the main thread
            self.error = error


class Group:
    """The three members and what they own."""

    def __init__(self, broker):
        self.members = [Member(broker, name) for name in MEMBERS]
        for member in self.members:
            member.start()

    def rows_read(self):
        return sum(len(member.rows) for member in self.members)

    def owned(self):
        """What each member owns, when together they own every partition once; else nothing."""
        owned = [member.owned for member in self.members]
        if any(part is None for part in owned):
            return None
        return owned if sorted(sum(owned, ())) == list(range(PARTITIONS)) else None

    def until(self, holds, what):
        end = time.monotonic() + WITHIN_S
        while not holds():
            for member in self.members:
                if member.error:
                    raise Failed(f"member {member.name} failed: {member.error}")
            if end < time.monotonic():
                owned = {member.name: member.owned for member in self.members}
                raise Failed(f"{what}: not within {WITHIN_S} s; owned: {owned}, rows read: {self.rows_read()}")
            time.sleep(0.02)

    def until_changed(self, before):
        self.until(lambda: self.owned() not in (None, before), "the group has another assignment")
        return self.owned()

    def until_read(self, count):
        self.until(lambda: count <= self.rows_read(), f"the group has read {number(count)} rows")

    def all_rows(self):
        return [row for member in self.members for row in member.rows]

    def end(self):
        for member in self.members:
            member.ending.set()
        for member in self.members:
            member.join(WITHIN_S)
            check(member.error is None, f"{member.name} left the group in order")


def run(broker, rows):
    title("3. Assignor: the rule of a running group, swapped")
    if broker.has_plugins:
        for version in ["1", "2"]:
            broker.install(f"weighted-{version}", f"weighted@{version}")
        broker.activate("weighted@1")
        broker.bind("weighted", ["--group", GROUP], **WEIGHTS)
    say(f"A group of three, {', '.join(MEMBERS)}, reads flights.")
    group = Group(broker)
    columns = [group.until_changed(None)]
    names = ["members' own rule"]
    if broker.has_plugins:
        names = ["weighted@1", "weighted@2", "after the rollback"]
        columns += swap(broker, group, columns[0], len(rows))
    table(["member", *names], zip(MEMBERS, *[[set_of(part) for part in column] for column in columns]))
    group.until(lambda: len(rows) <= len(set(group.all_rows())), "the group has read every row")
    group.end()
    read = group.all_rows()
    twice = len(read) - len(set(read))
    check(set(read) == set(range(len(rows))), f"the group missed none of {number(len(rows))} rows")
    shown = f"{number(twice)} rows were" if twice else "no row was"
    say(f"  Each member commits before it gives partitions away: {shown} read twice.")


def swap(broker, group, first, count):
    heavier = len(first[0]) > max(len(first[1]), len(first[2]))
    check(heavier, "the member that weighs double has more partitions than the others")
    assigned_by(broker, "weighted@1")
    group.until_read(count // 4)
    say(f"{number(group.rows_read())} rows are read; now the other rule.")
    broker.activate("weighted@2")
    second = group.until_changed(first)
    check(True, "the group rebalanced by itself")
    assigned_by(broker, "weighted@2")
    broker.check_same_process()
    group.until_read(count // 2)
    say(f"{number(group.rows_read())} rows are read; back to the first rule.")
    broker.logmill("plugin", "rollback", "weighted")
    third = group.until_changed(second)
    check(third == first, "the rollback brought the first assignment back")
    assigned_by(broker, "weighted@1")
    say(f"{number(group.rows_read())} rows are read.")
    return [second, third]


def assigned_by(broker, version):
    by = broker.ask("group", "describe", GROUP)["assigned_by"]
    if by != version:
        raise Failed(f"{by} made this assignment, says the broker, and not {version}.")
    check(True, f"the broker says that {version} made this assignment")


def set_of(partitions):
    return " ".join(str(partition) for partition in partitions)
