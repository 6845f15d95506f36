"""What the machine gives at most, by the bare programs of `benches/floor`.

Owns: which programs run, in which order, their table.
"""

import dataclasses

import machine
import report
import window

KIB = 1024
MIB = 2**20
# Batches of 16 KiB are a client's default; eight of them gathered, and 128 KiB.
PRODUCE = [
    ("inline", 16 * KIB), ("ring", 16 * KIB), ("gathered", 16 * KIB), ("ring-gathered", 16 * KIB),
    ("inline", 128 * KIB), ("ring", 128 * KIB),
]  # fmt: skip
CONSUME = ["memory", "pread", "sendfile"]
DURABLE = {"append": "append, fdatasync", "direct": "O_DIRECT and O_DSYNC into zeros"}


@dataclasses.dataclass(frozen=True)
class Size:
    mib: int
    writes: int
    seconds: int


def size(quick):
    return Size(64, 50, 1) if quick else Size(1024, 1000, 10)


def bare_writes(context):
    """One run of each durable write; every durable figure stands beside them."""
    writes = size(context.quick).writes
    paths = DURABLE
    run = context.tools.run
    return {path: run("floor", "durable", path, writes, context.folder) for path in paths}


def bare_line(found):
    """One sentence of these runs: `found[path]` is a list of lines."""
    parts = []
    for path, words in DURABLE.items():
        p50 = report.spread([line["p50_ms"] for line in found[path]])
        p99 = report.spread([line["p99_ms"] for line in found[path]])
        parts.append(f"{words}: p50 {p50} ms, p99 {p99} ms")
    return f"The disk's bare durable write of 16 KiB, in every round: {'; '.join(parts)}."


def programs(context):
    chosen = size(context.quick)
    for path, batch in PRODUCE:
        yield ("produce", path, batch), ["produce", path, batch, chosen.mib, context.folder]
    for path in CONSUME:
        yield ("consume", path, MIB), ["consume", path, chosen.mib, context.folder]
    for path in DURABLE:
        yield ("durable", path, 16 * KIB), ["durable", path, chosen.writes, context.folder]
    yield ("echo", "", KIB), ["echo", chosen.seconds]


def measure(context, words):
    """One run, of which the host's giving of memory is no part."""
    machine.warm_memory(window.WARM_MIB)
    return context.tools.run("floor", *words)


def per(lines, what):
    """MiB a second of `what`."""
    return [line["bytes"] / MIB / max(line[what], 0.001) for line in lines]


def throughput_table(found):
    headings = ["program", "unit", "path", "MiB/s", "MiB per CPU-s", "MiB per machine CPU-s", "best"]
    rows = []
    rates = {key: report.median(per(lines, "cpu_s")) for key, lines in found.items()}
    for key, lines in found.items():
        program, path, unit = key
        if program not in ["produce", "consume"]:
            continue
        alike = [rates[other] for other in found if (other[0], other[2]) == (program, unit)]
        rows.append([
            program, f"{unit // KIB} KiB", path, report.spread(per(lines, "wall_s")),
            report.spread(per(lines, "cpu_s")), report.spread(per(lines, "machine_s")),
            "**best**" if rates[key] == max(alike) else "",
        ])  # fmt: skip
    return report.table(headings, rows)


def latency_table(found):
    headings = ["program", "path", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs each"]
    rows = []
    for (program, path, unit), lines in found.items():
        if program not in ["durable", "echo"]:
            continue
        each = [line["cpu_s"] * 1e6 / (line["bytes"] / unit) for line in lines]
        percentiles = [[line[name] for line in lines] for name in ["p50_ms", "p99_ms", "p999_ms"]]
        shown = [report.spread(values) for values in percentiles]
        rows.append([program, DURABLE.get(path, "1 KiB, 5,000/s"), *shown, report.spread(each)])
    return report.table(headings, rows)


def run(context):
    found = {}
    for _ in context.rounds():
        for key, words in programs(context):
            line = measure(context, words)
            found.setdefault(key, []).append(line)
            rate = line["bytes"] / MIB / max(line["cpu_s"], 0.001)
            context.say(f"  {' '.join(map(str, words[:-1]))}: {rate:,.0f} MiB per CPU-s")
    context.raw = [line for lines in found.values() for line in lines]
    return "\n\n".join([throughput_table(found), latency_table(found)])
