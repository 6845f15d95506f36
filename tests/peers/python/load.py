"""Writers and a reader for the crash test, on confluent-kafka-python.

load.py write BOOTSTRAP TOPIC PARTITIONS ACKS IDEMPOTENT
    Sends 0, 1, 2 … to each partition until its input closes, then waits for what is under way.
    Prints "A partition value offset" for each acknowledged record, "F partition value reason" for
    each that failed, "END" at the end. An idempotent writer retries, the other never does: what
    failed may be in the log or not, what was acknowledged must be.
load.py read BOOTSTRAP GROUP
    For each line "TOPIC FROM FROM …" (one offset for each partition) prints "C offset …" with what
    the group has committed (-1: nothing), then the records up to the end that it finds as
    "R partition offset value", commits these ends and prints "END offset …".
"""

import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

LIMIT_S = 60
# Up to 2,000 records a second and writer: enough to have some under way at any moment.
PER_TURN = 20
TURN_S = 0.03
FILLER = "x" * 120
# Both come back quickly after a crash.
PATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}


def say(*words):
    print(*words)


def write(bootstrap, topic, partitions, acks, idempotent):
    partitions = int(partitions)
    settings = {
        **PATIENT,
        "bootstrap.servers": bootstrap,
        "acks": acks,
        "enable.idempotence": idempotent == "true",
        "queue.buffering.max.messages": 400,
        "linger.ms": 2,
        "message.timeout.ms": LIMIT_S * 1000,
        "topic.metadata.refresh.fast.interval.ms": 50,
    }
    if idempotent != "true":
        settings["message.send.max.retries"] = 0
    closing = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closing.set()), daemon=True).start()
    producer = Producer(settings)

    def delivered(error, message):
        number = message.value().decode().split("-")[0]
        if error is None:
            say("A", message.partition(), number, message.offset())
        else:
            say("F", message.partition(), number, error.name())

    number = 0
    while not closing.is_set():
        for _ in range(PER_TURN):
            for partition in range(partitions):
                while True:
                    try:
                        producer.produce(
                            topic, f"{number}-{FILLER}", partition=partition, on_delivery=delivered
                        )
                        break
                    except BufferError:
                        producer.poll(0.05)
                        sys.stdout.flush()
            number += 1
        end = time.monotonic() + TURN_S
        while time.monotonic() < end:
            producer.poll(max(0, end - time.monotonic()))
        sys.stdout.flush()
    left = producer.flush(LIMIT_S)
    if left:
        sys.exit(f"{left} records of {topic} got no answer")
    say("END")
    sys.stdout.flush()


def read(bootstrap, group):
    consumer = Consumer(
        {
            **PATIENT,
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    for line in sys.stdin:
        topic, *starts = line.split()
        places = [TopicPartition(topic, index, int(start)) for index, start in enumerate(starts)]
        committed = patient(lambda: consumer.committed(places, timeout=LIMIT_S))
        say("C", *(max(place.offset, -1) for place in committed))
        ends = [patient(lambda p=p: consumer.get_watermark_offsets(p, timeout=LIMIT_S))[1] for p in places]
        at = [place.offset for place in places]
        consumer.assign(places)
        while any(here < end for here, end in zip(at, ends)):
            message = consumer.poll(LIMIT_S)
            if message is None:
                sys.exit(f"{topic}: nothing came at {at} of {ends}")
            if message.error():
                if passes(message.error()):
                    continue
                sys.exit(f"{topic}: {message.error()}")
            index = message.partition()
            at[index] = message.offset() + 1
            if message.offset() < ends[index]:
                say("R", index, message.offset(), message.value().decode().split("-")[0])
        consumer.unassign()
        done = [TopicPartition(topic, index, end) for index, end in enumerate(ends)]
        patient(lambda: consumer.commit(offsets=done, asynchronous=False))
        say("END", *ends)
        sys.stdout.flush()
    consumer.close()


# What a broker that has just come back may answer for a moment; below 0 are librdkafka's own.
PASSING = ["COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"]


def passes(error):
    return error.code() < 0 or error.name() in PASSING


def patient(ask):
    """Asks again while the answer is an error that passes."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return ask()
        except KafkaException as failure:
            if not passes(failure.args[0]) or end < time.monotonic():
                sys.exit(str(failure))
            time.sleep(0.02)



{"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
