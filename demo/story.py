"""The whole story in four steps: a broker, a partitioner, an assignor, a compaction policy.

Each step says what it did and what it checked. The first check that fails ends the demo with
status 1, and the broker's folder is kept.
"""

import argparse
import contextlib
import sys
import time

import assignor
import compaction
import flights
import partitioner
from broker import Broker, Plain
from talk import Failed, say, title


def port(text):
    """A port number, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is no port: write a number from 1 to 65535")
    return int(text)


def main():
    parser = argparse.ArgumentParser(prog="demo/run", description=__doc__.splitlines()[0])
    kafka, admin = "port for Kafka clients (default: 9092)", "port for the operator (default: 9644)"
    parser.add_argument("--kafka-port", metavar="N", type=port, default=9092, help=kafka)
    parser.add_argument("--admin-port", metavar="M", type=port, default=9644, help=admin)
    parser.add_argument(
        "--plain", metavar="HOST:PORT", help="use a running broker of any make and leave out the plugins"
    )
    options = parser.parse_args()
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        if options.plain:
            broker = Plain(options.plain)
        else:
            title("1. One command starts a broker")
            broker = stack.enter_context(Broker(options.kafka_port, options.admin_port))
        rows = flights.load()
        partitioner.run(broker, rows)
        assignor.run(broker, rows)
        compaction.run(broker, rows)
        if not options.plain:
            broker.check_same_process()
    say(f"\nThe demo has reached its end: every check held, {time.monotonic() - start:.0f} seconds.")


try:
    main()
except Failed as failed:
    sys.exit(f"\nFAILED: {failed}")
except KeyboardInterrupt:
    sys.exit("\nStopped by hand.")
