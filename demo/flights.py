"""The rows: 336,776 flights from New York in 2013 (data/README.md)."""

import csv
import json
import lzma
import pathlib
import typing

FILE = pathlib.Path(__file__).parent / "data" / "flights.csv.xz"
ROWS = 336_776
AIRPORTS = ["EWR", "JFK", "LGA"]
YEAR = 2013


class Flight(typing.NamedTuple):
    row: int
    origin: str
    tailnum: str
    dest: str
    # Scheduled departure as one number, YYYYMMDDhhmm.
    departure: int
    json: bytes


def load():
    """All rows in the order of the file."""
    rows = []
    with lzma.open(FILE, "rt", encoding="utf-8") as text:
        for number, line in enumerate(csv.DictReader(text)):
            date = YEAR * 10_000 + int(line["month"]) * 100 + int(line["day"])
            departure = date * 10_000 + int(line["sched_dep_time"])
            value = json.dumps({"row": number, **line}).encode()
            rows.append(Flight(number, line["origin"], line["tailnum"], line["dest"], departure, value))
    assert len(rows) == ROWS
    return rows


def row_of(value):
    """The row's number, from its JSON."""
    return int(value[8 : value.index(b",")])
