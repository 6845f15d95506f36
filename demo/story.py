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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka-port", type=int, default=9092)
    parser.add_argument("--admin-port", type=int, default=9644)
    parser.add_argument(
        "--plain", metavar="HOST:PORT", help="use a running broker of any make and leave out the plugins"
    )
    options = parser.parse_args()
    start = time.monotonic()
    rows = flights.load()
    with contextlib.ExitStack() as stack:
        if options.plain:
            broker = Plain(options.plain)
        else:
            title("1. One command starts a broker")
            broker = stack.enter_context(Broker(options.kafka_port, options.admin_port))
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
