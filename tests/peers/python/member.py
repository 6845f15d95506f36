"""A member of a consumer group that says what it owns and what it reads, for the group tests.

Usage: member.py LIBRARY BOOTSTRAP GROUP TOPIC STRATEGY CLIENT_ID
Prints "O partition …" whenever its partitions change (after a loss "O" alone) and "R partition offset"
for each record; commits as it goes. Leaves the group and ends when its input closes.
STRATEGY is range or cooperative-sticky.
"""

import sys
import threading


def say(*words):
    print(*words, flush=True)


def confluent(bootstrap, group, topic, strategy, client_id, closing):
    from confluent_kafka import Consumer

    owned = set()

    def changed(places, gained):
        indexes = {place.partition for place in places}
        owned.update(indexes) if gained else owned.difference_update(indexes)
        say("O", *sorted(owned))

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "client.id": client_id,
            "group.id": group,
            "partition.assignment.strategy": strategy,
            "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 100,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 200,
        }
    )
    consumer.subscribe(
        [topic],
        on_assign=lambda _, places: changed(places, True),
        on_revoke=lambda _, places: changed(places, False),
        on_lost=lambda _, places: changed(places, False),
    )
    while not closing.is_set():
        message = consumer.poll(0.05)
        if message is not None and not message.error():
            say("R", message.partition(), message.offset())
    consumer.close()


def kafka_python(bootstrap, group, topic, strategy, client_id, closing):
    from kafka import ConsumerRebalanceListener, KafkaConsumer
    from kafka.coordinator.assignors.range import RangePartitionAssignor

    assert strategy == "range", "the other strategies of this library have names of their own"

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            say("O")

        def on_partitions_assigned(self, assigned):
            say("O", *sorted(place.partition for place in assigned))

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id=client_id,
        group_id=group,
        partition_assignment_strategy=[RangePartitionAssignor],
        auto_offset_reset="earliest",
        auto_commit_interval_ms=100,
        session_timeout_ms=6000,
        heartbeat_interval_ms=200,
    )
    consumer.subscribe([topic], listener=Listener())
    while not closing.is_set():
        for messages in consumer.poll(timeout_ms=50).values():
            for message in messages:
                say("R", message.partition, message.offset)
    consumer.close()


def main():
    library, *arguments = sys.argv[1:]
    closing = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closing.set()), daemon=True).start()
    {"confluent": confluent, "kafka-python": kafka_python}[library](*arguments, closing)
    say("END")


main()
