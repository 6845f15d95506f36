"""Producers and a reader for the compaction tests, on confluent-kafka-python.

compact.py create BOOTSTRAP TOPIC NAME=VALUE …
    Creates a topic of one partition with these settings.
compact.py fill BOOTSTRAP TOPIC SEED BATCHES TIMESTAMP
    Sends so many batches, one at a time, whose keys, values, tombstones, sizes and codecs come
    from SEED; "+" in front of them a record without a key, which must be refused.
compact.py poke BOOTSTRAP TOPIC BYTES TIMESTAMP
    Sends one record of that size under a key of its own; prints its offset.
compact.py read BOOTSTRAP TOPIC
    Prints "R offset key value" for each record from the start to the end ("-" for a tombstone,
    the hash of what is long), then "END".
compact.py write BOOTSTRAP TOPIC KEYS
    Until its input closes: sends 0, 1, 2 … under one of so many keys each, every seventh as a
    tombstone; prints "A offset key number" (0 for a tombstone) for each acknowledged record,
    "END" at the end.
"""

import hashlib
import random
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

LIMIT_S = 60
# 20 records a turn: no more than a reader reads.
TURN_S = 0.02
PATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def say(*words):
    print(*words)
    sys.stdout.flush()


def producer_of(bootstrap, **more):
    settings = {
        **PATIENT,
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 500,
        "message.timeout.ms": LIMIT_S * 1000,
    }
    return Producer({**settings, **more})


def create(bootstrap, topic, *settings):
    config = dict(setting.split("=", 1) for setting in settings)
    admin = AdminClient({**PATIENT, "bootstrap.servers": bootstrap})
    made = admin.create_topics([NewTopic(topic, 1, 1, config=config)])
    made[topic].result(LIMIT_S)


def flush(producer):
    if producer.flush(LIMIT_S):
        sys.exit("records got no answer")


def fill(bootstrap, topic, seed, batches, timestamp):
    dice = random.Random(int(seed))
    producers = [producer_of(bootstrap, **{"compression.type": codec}) for codec in CODECS]
    failed = []

    def delivered(error, _):
        if error is not None:
            failed.append(error.name())

    producers[0].produce(topic, b"no key", on_delivery=delivered)
    flush(producers[0])
    if failed != ["INVALID_RECORD"]:
        sys.exit(f"a record without a key: {failed}")
    failed.clear()
    # An idempotent producer ends with an error that it cannot repair.
    producers[0] = producer_of(bootstrap)
    for number in range(int(batches)):
        producer = dice.choice(producers)
        for record in range(dice.choice([1, 1, 2, 5, 20, 60])):
            key = f"key-{dice.randrange(80)}"
            size = dice.choice([0, 10, 100, 400])
            value = f"{number}.{record} " + "x" * size
            if dice.random() < 0.15:
                value = None
            producer.produce(
                topic, value, key, timestamp=int(timestamp) + number, on_delivery=delivered
            )
        flush(producer)
    if failed:
        sys.exit(f"not delivered: {failed[:5]}")


def poke(bootstrap, topic, size, timestamp):
    producer = producer_of(bootstrap)
    told = []
    noise = random.Random(int(size)).randbytes(int(size))
    producer.produce(
        topic,
        noise,
        f"poke-{time.monotonic_ns()}",
        timestamp=int(timestamp),
        on_delivery=lambda error, message: told.append((error, message.offset())),
    )
    flush(producer)
    error, offset = told[0]
    if error is not None:
        sys.exit(f"not delivered: {error}")
    say(offset)


def shown(value):
    if value is None:
        return "-"
    if len(value) < 40:
        return value.decode().replace(" ", "_")
    return hashlib.sha256(value).hexdigest()[:16]


def read(bootstrap, topic):
    consumer = Consumer(
        {
            **PATIENT,
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    # Where it ends now: somebody may go on writing.
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), LIMIT_S)
    consumer.assign([TopicPartition(topic, 0, 0)])
    last, at = time.monotonic(), 0
    while at < end:
        message = consumer.poll(1)
        if message is None:
            if LIMIT_S < time.monotonic() - last:
                sys.exit("the end does not come")
            continue
        last = time.monotonic()
        if message.error() is None:
            print("R", message.offset(), message.key().decode(), shown(message.value()))
            at = message.offset() + 1
        elif message.error().name() == "_PARTITION_EOF":
            break
        else:
            sys.exit(f"cannot read: {message.error()}")
    say("END")
    consumer.close()


def write(bootstrap, topic, keys):
    closing = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closing.set()), daemon=True).start()
    producer = producer_of(bootstrap, **{"linger.ms": 1, "queue.buffering.max.messages": 200})

    def delivered(number):
        def told(error, message):
            if error is not None:
                sys.exit(f"not delivered: {error}")
            print("A", message.offset(), message.key().decode(), number if number % 7 else 0)

        return told

    number = 1
    dice = random.Random(1)
    while not closing.is_set():
        for _ in range(20):
            key = f"key-{dice.randrange(int(keys))}"
            value = None if number % 7 == 0 else f"{number} " + "x" * 25
            while True:
                try:
                    producer.produce(topic, value, key, on_delivery=delivered(number))
                    break
                except BufferError:
                    producer.poll(0.05)
            number += 1
        end = time.monotonic() + TURN_S
        while time.monotonic() < end:
            producer.poll(max(0, end - time.monotonic()))
        sys.stdout.flush()
    flush(producer)
    say("END")


if __name__ == "__main__":
    commands = {"create": create, "fill": fill, "poke": poke, "read": read, "write": write}
    commands[sys.argv[1]](*sys.argv[2:])
