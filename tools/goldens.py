#!/usr/bin/env python3
"""Runs tests/peers/kafka-clients/Goldens.java on the jars of Apache Kafka that the generator reads.

Usage:
    tools/goldens.py                write tests/goldens/
    tools/goldens.py --check        write into a temporary folder and compare; exit 1 on a difference
    tools/goldens.py --verify FILE  let Kafka's classes read and write the messages in FILE

Needs JDK 17 or newer; jars come from where `make setup` left them, else through Maven.
"""

import argparse
import gzip
import pathlib
import subprocess
import sys
import tempfile

import wiregen

OUT = wiregen.ROOT / "tests" / "goldens"
PROGRAM = wiregen.ROOT / "tests" / "peers" / "kafka-clients" / "Goldens.java"
FILES = ["messages.bin.gz", "transcodes.bin.gz", "apis.txt", "errors.txt"]
LOGGING = ("org.slf4j", "slf4j-api", "1.7.36")


def java(*arguments):
    jars = [wiregen.jar(artifact, None) for artifact in wiregen.ARTIFACTS]
    jars.append(wiregen.fetched(*LOGGING))
    path = ":".join(str(jar) for jar in jars)
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", path, str(PROGRAM), *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True)


def content(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--verify", metavar="FILE", help="a file of the format of messages.bin.gz")
    args = parser.parse_args()
    if args.verify:
        done = java("verify", args.verify)
    elif args.check:
        with tempfile.TemporaryDirectory() as folder:
            fresh = pathlib.Path(folder)
            done = java("write", folder)
            differ = [f for f in FILES if done.returncode or content(fresh / f) != content(OUT / f)]
        if differ:
            print("tests/goldens/ is not what Goldens.java writes:", *differ)
            done.returncode = 1
    else:
        OUT.mkdir(exist_ok=True)
        done = java("write", str(OUT))
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
