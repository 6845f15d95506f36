"""Step 2: two clients that hash differently, and a plugin in the broker that sees to it."""

import collections
import re

from kafka.errors import InvalidRecordError

from clients import LIMIT_S, create_topic, kafka_python, kcat, python_producer, read_all
from flights import AIRPORTS, row_of
from talk import check, number, say, table, title

PARTITIONS = 6
HOMES = {"EWR": 0, "JFK": 2, "LGA": 4}
# What the two clients' own partitioners make of these keys.
OWN = {"kcat": {"EWR": 0, "JFK": 5, "LGA": 2}, "kafka-python": {"EWR": 1, "JFK": 1, "LGA": 0}}
ADVISED_ROWS = 30_000
REFUSED_ROWS = 1_000


def run(broker, rows):
    title("2. Partitioner: one airport, one partition, whatever the client")
    plain(broker, rows)
    if broker.has_plugins:
        broker.install("by-airport", "by-airport@1")
        broker.activate("by-airport@1")
        advise(broker, rows[:ADVISED_ROWS])
        create_topic(broker, "flights", PARTITIONS)
        broker.bind("by-airport", ["--topic", "flights"], "--mode", "verify", **HOMES)
        refuse(broker, rows[:REFUSED_ROWS])
    else:
        create_topic(broker, "flights", PARTITIONS)
    take_advice(broker, rows)
    read_back(broker, rows)


def deal(rows):
    """Rows in turn to the two clients."""
    return rows[0::2], rows[1::2]


def plain(broker, rows):
    say(f"{number(len(rows))} flights are dealt in turn to kcat and kafka-python: topic flights-plain.")
    create_topic(broker, "flights-plain", PARTITIONS)
    mine, yours = deal(rows)
    failed = kcat(broker, "flights-plain", mine) + len(kafka_python(broker, "flights-plain", yours))
    check(failed == 0, "both clients had every record acknowledged")
    places = collections.defaultdict(collections.Counter)
    seen = set()
    for message in read_all(broker, "flights-plain", PARTITIONS):
        places[message.key().decode()][message.partition()] += 1
        seen.add(row_of(message.value()))
    check(len(seen) == len(rows) == sum(c.total() for c in places.values()), "every row is there once")
    headings = ["airport", "partitions", *(f"p{index}" for index in range(PARTITIONS))]
    lines = [
        [airport, len(places[airport]), *(places[airport][index] or "" for index in range(PARTITIONS))]
        for airport in AIRPORTS
    ]
    table(headings, lines)
    say("The clients hash keys differently (CRC32, murmur2), so each airport lies in two partitions.")
    check(all(len(places[airport]) == 2 for airport in AIRPORTS), "without a plugin each airport lies in two")


def advise(broker, rows):
    say(f"\nThe plugin gives advice only: {number(len(rows))} rows into flights-advised.")
    create_topic(broker, "flights-advised", PARTITIONS)
    broker.bind("by-airport", ["--topic", "flights-advised"], "--mode", "advise", **HOMES)
    mine, yours = deal(rows)
    failed = kcat(broker, "flights-advised", mine) + len(kafka_python(broker, "flights-advised", yours))
    check(failed == 0, "advice refuses nothing")
    broker.logmill("topic", "describe", "flights-advised")
    say(f"ELSEWHERE: what lies in another partition than the plugin says ({homes_of(HOMES)}).")
    answer = broker.ask("topic", "describe", "flights-advised")
    counted = {client["client_id"]: client for client in answer["clients"]}
    for client, part in [("kcat", mine), ("kafka-python", yours)]:
        wrong = sum(OWN[client][row.origin] != HOMES[row.origin] for row in part)
        said = counted[client]
        right = said["records"] == len(part) and said["disagreed"] == wrong
        shown = f"{number(wrong)} of {number(len(part))} records of {client}"
        check(right, f"the broker counted {shown}, whose own hash says {homes_of(OWN[client])}")


def homes_of(homes):
    return ", ".join(f"{airport} {home}" for airport, home in homes.items())


def refuse(broker, rows):
    say(f"\nThe plugin refuses: {number(len(rows))} rows by each client into flights, the clients' own way.")
    wrong = [row for row in rows if OWN["kcat"][row.origin] != HOMES[row.origin]]
    right = number(len(rows) - len(wrong))
    say(f"{right} of kcat's would lie right, by chance of its hash; it sends the other {number(len(wrong))}.")
    check(kcat(broker, "flights", wrong) == len(wrong), f"all {number(len(wrong))} records of kcat were refused")
    errors = kafka_python(broker, "flights", rows)
    check(len(errors) == len(rows), f"all {number(len(rows))} records of kafka-python were refused")
    say(f"  kafka-python was told: {errors[0]}")
    stored = sum(1 for _ in read_all(broker, "flights", PARTITIONS))
    check(stored == 0, "nothing of the refused batches is stored")


def take_advice(broker, rows):
    """The first row of each airport finds out where it belongs; all others follow it.

    kafka-python hands the broker's words for each record to its program; kcat prints only that a
    batch was refused, so it is told the partitions that the other has learnt.
    """
    say("\nProducers that take the advice: all rows into flights.")
    mine, yours = deal(rows)
    producer, errors = python_producer(broker), []
    homes = {} if broker.has_plugins else dict(HOMES)
    for row in yours:
        if row.origin not in homes:
            homes[row.origin] = learn(broker, producer, row)
            continue
        sent = producer.send("flights", row.json, row.origin.encode(), partition=homes[row.origin])
        sent.add_errback(errors.append)
    producer.flush(LIMIT_S)
    producer.close()
    check(not errors, f"kafka-python got {number(len(yours))} rows in")
    failed = 0
    for airport, home in homes.items():
        failed += kcat(broker, "flights", [row for row in mine if row.origin == airport], "-p", str(home))
    check(failed == 0, f"kcat got {number(len(mine))} rows in")


def learn(broker, producer, row):
    """Sends one row the library's own way, and once more where the refusal says.

    An idempotent producer of kafka-python is of no use after a refusal, so it asks with another.
    """
    asking = python_producer(broker)
    try:
        return asking.send("flights", row.json, row.origin.encode()).get(LIMIT_S).partition
    except InvalidRecordError as refusal:
        found = re.findall(r"partition (\d+)", str(refusal))
        check(bool(found), f"the refusal of {row.origin} names the right partition: {refusal.args[0]}")
        home = int(found[-1])
    finally:
        asking.close()
    taken = producer.send("flights", row.json, row.origin.encode(), partition=home).get(LIMIT_S)
    check(taken.partition == home, f"{row.origin} was taken in partition {home}")
    return home


def read_back(broker, rows):
    say("\nReading flights back.")
    places = collections.defaultdict(set)
    order = collections.defaultdict(list)
    for message in read_all(broker, "flights", PARTITIONS):
        airport, row = message.key().decode(), row_of(message.value())
        places[airport].add(message.partition())
        order[airport, row % 2].append(row)
    lies = {airport: sorted(places[airport]) for airport in AIRPORTS}
    check(lies == {airport: [home] for airport, home in HOMES.items()}, f"one airport, one partition: {lies}")
    read = sorted(row for part in order.values() for row in part)
    check(read == list(range(len(rows))), f"each of {number(len(rows))} rows is there once")
    kept = all(part == sorted(part) for part in order.values())
    check(kept, "each producer's rows of an airport are in the order in which it sent them")
