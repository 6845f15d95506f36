"""A few of Kafka's requests by hand, on a raw socket: no client library's start-up in the figures.

Owns: Metadata 4 (creates the topic), Produce 9, ListOffsets 1, and one record batch.
"""

import socket
import struct
import time

# What a broker may answer while a topic comes to be: unknown topic, leader not available, not leader.
NOT_YET = {3, 5, 6}
RETRY_EVERY_S = 0.0005


class Refused(Exception):
    """The broker's answer is an error."""


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC32C = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def unsigned(value):
    out = bytearray()
    while 0x80 <= value:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def signed(value):
    return unsigned(value << 1 if 0 <= value else (-value << 1) - 1)


def batch(value, now_ms):
    """One record without a key, in a batch of format 2 by no producer id."""
    body = bytes([0]) + signed(0) + signed(0) + signed(-1) + signed(len(value)) + value + signed(0)
    record = signed(len(body)) + body
    checked = struct.pack(">hiqqqhii", 0, 0, now_ms, now_ms, -1, -1, -1, 1) + record
    rest = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(rest)) + rest


class Connection:
    def __init__(self, port, timeout_s=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def call(self, key, version, body, flexible=False):
        """Returns the answer from its correlation id on, without it."""
        head = struct.pack(">hhi", key, version, 7) + string("bench") + (b"\0" if flexible else b"")
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        length = struct.unpack(">i", self.exactly(4))[0]
        return self.exactly(length)[4:]

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the broker closed the connection")
            data += part
        return bytes(data)

    def metadata(self, topic=None):
        """Metadata 4; names one topic to be created, or none."""
        topics = struct.pack(">i", 0) if topic is None else struct.pack(">i", 1) + string(topic)
        return self.call(3, 4, topics + b"\1")

    def produce(self, topic, value):
        """Produce 9 with acks=1 to partition 0; returns the error code."""
        records = batch(value, int(time.time() * 1000))
        partition = struct.pack(">i", 0) + unsigned(len(records) + 1) + records + b"\0"
        named = unsigned(len(topic) + 1) + topic.encode() + unsigned(2) + partition + b"\0"
        body = unsigned(0) + struct.pack(">hi", 1, 10_000) + unsigned(2) + named + b"\0"
        answer = self.call(0, 9, body, flexible=True)
        # Tags of the header, one topic, its name, one partition, its index: one byte each for
        # names of less than 127 bytes, four for the index.
        at = 1 + 1 + 1 + len(topic) + 1 + 4
        return struct.unpack_from(">h", answer, at)[0]

    def end_offsets(self, topic, partitions):
        """ListOffsets 1: the end of each partition."""
        asked = b"".join(struct.pack(">iq", index, -1) for index in range(partitions))
        body = struct.pack(">ii", -1, 1) + string(topic) + struct.pack(">i", partitions) + asked
        answer = self.call(2, 1, body)
        at = 4 + 2 + len(topic) + 4
        ends = []
        for _ in range(partitions):
            _index, error, _time, offset = struct.unpack_from(">ihqq", answer, at)
            if error != 0:
                raise Refused(f"ListOffsets of {topic} gave error {error}")
            ends.append(offset)
            at += 22
        return ends


def connect_within(port, seconds, alive):
    """The first connection that a starting broker takes."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Connection(port)
        except OSError:
            if not alive() or end < time.monotonic():
                raise
            time.sleep(RETRY_EVERY_S)


def first_produce(port, topic, seconds, alive):
    """Creates the topic by asking for it, and returns when a record in it is acknowledged."""
    end = time.monotonic() + seconds
    while True:
        try:
            with connect_within(port, seconds, alive) as connection:
                return produce_until_accepted(connection, topic, end)
        except ConnectionError:
            # It took the connection and dropped it: a broker that is still starting may.
            if not alive() or end < time.monotonic():
                raise
            time.sleep(RETRY_EVERY_S)


def produce_until_accepted(connection, topic, end):
    while True:
        connection.metadata(topic)
        error = connection.produce(topic, b"the first")
        if error == 0:
            return
        if error not in NOT_YET or end < time.monotonic():
            raise Refused(f"Produce to {topic} gave error {error}")
        time.sleep(RETRY_EVERY_S)
