"""A plain program over either Python client, for the client tests.

Usage: client.py LIBRARY COMMAND BOOTSTRAP ...   with LIBRARY confluent or kafka-python
  create BOOTSTRAP PARTITIONS TOPIC...
  produce BOOTSTRAP FILE TOPIC,ACKS,CODEC...    FILE holds one "key:value" a line; all must be acknowledged
  consume BOOTSTRAP COUNT TOPIC...              COUNT records of each topic, from the beginning
  group BOOTSTRAP GROUP COUNT TOPIC             COUNT records as a member of GROUP, then a commit of what was read
  insist BOOTSTRAP TOPIC COUNT RETRIES          COUNT records, each retried at most RETRIES times
                                                (-1: idempotent, as often as the library does by itself)

Records are printed as "topic partition offset key:value", what `insist` sent as
"delivered PARTITION OFFSET VALUE" or "failed VALUE REASON". Any other failure ends it with status 1.
"""

import sys

TIMEOUT_S = 30
INSIST_S = 90


def records(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            key, value = line.rstrip("\n").split(":", 1)
            yield key.encode(), value.encode()


def show(topic, partition, offset, key, value):
    print(f"{topic} {partition} {offset} {key.decode()}:{value.decode()}")


class Confluent:
    def __init__(self, bootstrap):
        self.base = {"bootstrap.servers": bootstrap}

    def create(self, partitions, topics):
        from confluent_kafka.admin import AdminClient, NewTopic

        wanted = [NewTopic(topic, partitions, 1) for topic in topics]
        admin = AdminClient(self.base)
        for created in admin.create_topics(wanted, operation_timeout=TIMEOUT_S).values():
            created.result(TIMEOUT_S)

    def produce(self, path, topic, acks, codec):
        from confluent_kafka import Producer

        errors = []

        def delivered(error, message):
            if error is not None:
                errors.append(error)
            elif acks != "0" and message.offset() < 0:
                errors.append("acknowledged without an offset")

        producer = Producer({**self.base, "acks": acks, "compression.type": codec, "linger.ms": 5})
        for key, value in records(path):
            producer.produce(topic, key=key, value=value, on_delivery=delivered)
            producer.poll(0)
        left = producer.flush(TIMEOUT_S)
        if errors or left:
            sys.exit(f"{topic}: {left} not acknowledged, errors {errors[:3]}")

    def insist(self, topic, count, retries):
        from confluent_kafka import Producer

        def delivered(error, message):
            value = message.value().decode()
            if error is None:
                print("delivered", message.partition(), message.offset(), value)
            else:
                print("failed", value, error.name(), error.str())

        how = {"enable.idempotence": True} if retries < 0 else {"retries": retries}
        producer = Producer({**self.base, **how})
        for number in range(count):
            producer.produce(topic, key=f"key-{number}", value=str(number), on_delivery=delivered)
        left = producer.flush(INSIST_S)
        if left:
            sys.exit(f"{topic}: {left} without an outcome")

    def consumer(self, **settings):
        from confluent_kafka import Consumer

        return Consumer({**self.base, "auto.offset.reset": "earliest", "enable.auto.commit": False, **settings})

    def read(self, consumer, topic, count):
        for _ in range(count):
            message = consumer.poll(TIMEOUT_S)
            if message is None or message.error():
                sys.exit(f"{topic}: {message and message.error()}")
            show(message.topic(), message.partition(), message.offset(), message.key(), message.value())

    def consume(self, topic, count):
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        consumer = self.consumer(**{"group.id": "unused"})
        partitions = consumer.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, index, OFFSET_BEGINNING) for index in partitions])
        self.read(consumer, topic, count)
        consumer.close()

    def group(self, group, topic, count):
        consumer = self.consumer(**{"group.id": group})
        consumer.subscribe([topic])
        self.read(consumer, topic, count)
        consumer.commit(asynchronous=False)
        consumer.close()


class KafkaPython:
    def __init__(self, bootstrap):
        self.base = {"bootstrap_servers": bootstrap}

    def create(self, partitions, topics):
        from kafka.admin import KafkaAdminClient, NewTopic

        admin = KafkaAdminClient(**self.base)
        admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics], timeout_ms=TIMEOUT_S * 1000)
        admin.close()

    def produce(self, path, topic, acks, codec):
        from kafka import KafkaProducer

        producer = KafkaProducer(
            **self.base,
            acks=acks if acks == "all" else int(acks),
            compression_type=None if codec == "none" else codec,
            enable_idempotence=acks == "all",
            linger_ms=5,
        )
        sent = [producer.send(topic, key=key, value=value) for key, value in records(path)]
        producer.flush(TIMEOUT_S)
        for future in sent:
            future.get(TIMEOUT_S)
        producer.close()

    def insist(self, topic, count, retries):
        from kafka import KafkaProducer

        how = {"enable_idempotence": True} if retries < 0 else {"retries": retries}
        producer = KafkaProducer(**self.base, **how)
        records = [(f"key-{number}".encode(), str(number).encode()) for number in range(count)]
        sent = [producer.send(topic, key=key, value=value) for key, value in records]
        for (_, value), future in zip(records, sent):
            try:
                told = future.get(INSIST_S)
                print("delivered", told.partition, told.offset, value.decode())
            except Exception as error:
                print("failed", value.decode(), repr(error))
        producer.close()

    def consumer(self, *topics, **settings):
        from kafka import KafkaConsumer

        return KafkaConsumer(
            *topics,
            **self.base,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=TIMEOUT_S * 1000,
            **settings,
        )

    def read(self, consumer, topic, count):
        left = count
        while left:
            message = next(consumer, None)
            if message is None:
                sys.exit(f"{topic}: {left} of {count} records did not come")
            show(message.topic, message.partition, message.offset, message.key, message.value)
            left -= 1

    def consume(self, topic, count):
        from kafka import TopicPartition

        consumer = self.consumer(group_id=None)
        partitions = [TopicPartition(topic, index) for index in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        self.read(consumer, topic, count)
        consumer.close()

    def group(self, group, topic, count):
        consumer = self.consumer(topic, group_id=group)
        self.read(consumer, topic, count)
        consumer.commit()
        consumer.close()


def main():
    library, command, bootstrap, *rest = sys.argv[1:]
    client = {"confluent": Confluent, "kafka-python": KafkaPython}[library](bootstrap)
    if command == "create":
        client.create(int(rest[0]), rest[1:])
    elif command == "produce":
        for job in rest[1:]:
            client.produce(rest[0], *job.split(","))
    elif command == "consume":
        for topic in rest[1:]:
            client.consume(topic, int(rest[0]))
    elif command == "group":
        client.group(rest[0], rest[2], int(rest[1]))
    elif command == "insist":
        client.insist(rest[0], int(rest[1]), int(rest[2]))
    else:
        sys.exit(__doc__)


main()
