"""Unmodified clients: kcat, kafka-python and confluent-kafka-python, as the demo uses them."""

import subprocess

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaProducer

from talk import Failed

LIMIT_S = 60


def create_topic(broker, topic, partitions, **settings):
    config = {name.replace("_", "."): value for name, value in settings.items()}
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    created = admin.create_topics([NewTopic(topic, partitions, 1, config=config)])
    created[topic].result(LIMIT_S)


def kcat(broker, topic, rows, *options):
    """Produces with kcat, keys by origin airport; returns how many records it reports as failed."""
    command = ["kcat", "-P", "-b", broker.bootstrap, "-t", topic, "-K", "\t"]
    command += ["-X", "client.id=kcat", "-X", "acks=all", *options]
    lines = b"".join(row.origin.encode() + b"\t" + row.json + b"\n" for row in rows)
    run = subprocess.run(command, input=lines, capture_output=True)
    failed = sum(b"Delivery failed" in line for line in run.stderr.splitlines())
    if run.returncode != 0 and failed == 0:
        raise Failed(f"kcat produces; it said: {run.stderr.decode(errors='replace')}")
    return failed


def python_producer(broker, client_id="kafka-python"):
    return KafkaProducer(
        bootstrap_servers=broker.bootstrap, client_id=client_id, acks="all", linger_ms=20, batch_size=65_536
    )


def kafka_python(broker, topic, rows):
    """Produces with kafka-python; returns the errors, one for each record that failed."""
    producer = python_producer(broker)
    errors = []
    for row in rows:
        sent = producer.send(topic, key=row.origin.encode(), value=row.json)
        sent.add_errback(errors.append)
    producer.flush(LIMIT_S)
    producer.close()
    return errors


def confluent_producer(broker, client_id="confluent"):
    settings = {"acks": "all", "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    return Producer({"bootstrap.servers": broker.bootstrap, "client.id": client_id, **settings})


def read_all(broker, topic, partitions):
    """Yields every message of the topic, partition by partition in the order of the log."""
    settings = {"group.id": "reads-all", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, **settings})
    places = [TopicPartition(topic, index, OFFSET_BEGINNING) for index in range(partitions)]
    left = set()
    ends = {}
    for place in places:
        start, end = consumer.get_watermark_offsets(place, LIMIT_S)
        ends[place.partition] = end
        if start < end:
            left.add(place.partition)
    consumer.assign([place for place in places if place.partition in left])
    while left:
        messages = consumer.consume(10_000, LIMIT_S)
        if not messages:
            raise Failed(f"everything in {topic} can be read; partitions {sorted(left)} gave no more")
        for message in messages:
            if message.error():
                raise Failed(f"{topic} can be read; the client said: {message.error()}")
            yield message
            if message.offset() + 1 == ends[message.partition()]:
                left.discard(message.partition())
    consumer.close()
