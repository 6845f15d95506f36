"""Unmodified clients: kcat, kafka-python and confluent-kafka-python, as the demo uses them."""

import subprocess
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaProducer

from talk import Failed

LIMIT_S = 60
# librdkafka's own remarks would come in between what the demo says.
QUIET = {"log_level": 2}


def create_topic(broker, topic, partitions, **settings):
    config = {name.replace("_", "."): value for name, value in settings.items()}
    admin = AdminClient({**QUIET, "bootstrap.servers": broker.bootstrap})
    created = admin.create_topics([NewTopic(topic, partitions, 1, config=config)])
    try:
        created[topic].result(LIMIT_S)
    except KafkaException as error:
        raise Failed(f"topic {topic} could not be created: {error.args[0].str()}") from None


def kcat(broker, topic, rows, *options):
    """Produces with kcat, keys by origin airport; returns how many records it reports as failed."""
    command = ["kcat", "-P", "-b", broker.bootstrap, "-t", topic, "-K", "\t"]
    command += ["-X", "client.id=kcat", "-X", "acks=all", *options]
    lines = b"".join(row.origin.encode() + b"\t" + row.json + b"\n" for row in rows)
    run = subprocess.run(command, input=lines, capture_output=True)
    failed = sum(b"Delivery failed" in line for line in run.stderr.splitlines())
    if run.returncode != 0 and failed == 0:
        raise Failed(f"kcat could not produce; it said: {run.stderr.decode(errors='replace')}")
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
    return Producer({**QUIET, "bootstrap.servers": broker.bootstrap, "client.id": client_id, **settings})


def read_all(broker, topic, partitions):
    """Yields every message of the topic, partition by partition in the order of the log."""
    settings = {"group.id": "reads-all", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**QUIET, "bootstrap.servers": broker.bootstrap, **settings})
    consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in range(partitions)])
    left = set(range(partitions))
    last = time.monotonic()
    while left:
        messages = consumer.consume(10_000, 0.1)
        if messages:
            last = time.monotonic()
        elif last + LIMIT_S < time.monotonic():
            raise Failed(f"not all of {topic} could be read: partitions {sorted(left)} gave no more")
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise Failed(f"{topic} could not be read; the client said: {error}")
    consumer.close()
