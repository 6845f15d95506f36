"""Step 4: compaction by a version in a header, where Kafka's own rule keeps the wrong record."""

from clients import LIMIT_S, confluent_producer, create_topic, read_all
from flights import ROWS
from talk import check, number, say, title

TOPIC = "last-flight"
PARTITIONS = 3
AIRCRAFT = 4_043
WITHOUT_TAILNUM = 2_512
# Aircraft whose last row in the file is also their newest flight.
LAST_IS_NEWEST = 569


def run(broker, rows):
    title("4. Compaction policy: where was each aircraft headed last?")
    flown = [row for row in rows if row.tailnum != "NA"]
    check(len(flown) == ROWS - WITHOUT_TAILNUM, f"{number(len(flown))} rows name an aircraft")
    newest, last = {}, {}
    for row in flown:
        if row.tailnum not in newest or newest[row.tailnum].departure <= row.departure:
            newest[row.tailnum] = row
        last[row.tailnum] = row
    if broker.has_plugins:
        broker.install("newest-by-header", "newest-by-header@1")
        broker.activate("newest-by-header@1")
    create_topic(broker, TOPIC, PARTITIONS, cleanup_policy="compact")
    if broker.has_plugins:
        broker.bind("newest-by-header", ["--topic", TOPIC], header="version")
    produce(broker, flown)
    say("Key: tail number. Value: destination. Header `version`: scheduled departure.")
    if broker.has_plugins:
        compact(broker, len(flown))
    survivors(broker, flown, newest, last)


def produce(broker, rows):
    producer = confluent_producer(broker)
    errors = []

    def answer(error, _message):
        if error:
            errors.append(error)

    for row in rows:
        version = [("version", str(row.departure))]
        producer.produce(TOPIC, row.dest, row.tailnum, on_delivery=answer, headers=version)
        producer.poll(0)
    left = producer.flush(LIMIT_S)
    check(not errors and not left, f"all {number(len(rows))} records were acknowledged, out of time order")


def compact(broker, count):
    told = broker.logmill("topic", "compact", TOPIC, "--dry-run")
    stay = f"{TOPIC}: {number(AIRCRAFT)} of {number(count)} records"
    check(told.startswith(f"{stay} would stay"), f"it would keep {number(AIRCRAFT)}, one for each aircraft")
    say("It drops more than half of the topic, which an operator has to approve.")
    told = broker.logmill("topic", "compact", TOPIC, "--approve")
    check(told.startswith(f"{stay} stay"), f"it kept {number(AIRCRAFT)}")


def survivors(broker, flown, newest, last):
    found = {}
    read = 0
    for message in read_all(broker, TOPIC, PARTITIONS):
        headers = dict(message.headers() or [])
        found[message.key().decode()] = (message.value().decode(), int(headers["version"]))
        read += 1
    if broker.has_plugins:
        check(read == len(found) == AIRCRAFT, f"{number(AIRCRAFT)} records can be read, one for each aircraft")
        want = {tail: (row.dest, row.departure) for tail, row in newest.items()}
        check(found == want, "each is the one with the highest version")
    else:
        check(read == len(flown), f"all {number(len(flown))} records can be read")
        want = {tail: (row.dest, row.departure) for tail, row in last.items()}
        check(found == want, "of each key the last record is the last row")
    same = sum(newest[tail].row == last[tail].row for tail in newest)
    check(same == LAST_IS_NEWEST, f"for only {same} of {number(len(newest))} aircraft the last record is the newest")
    elsewhere = sum(newest[tail].dest != last[tail].dest for tail in newest)
    say(
        f"Kafka's own rule, the last record of each key, would have kept an old flight of "
        f"{number(len(newest) - same)} aircraft and a wrong destination of {number(elsewhere)}."
    )
