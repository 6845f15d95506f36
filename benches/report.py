"""The tables: medians with spread (min–max), ratios within a round, and README.md's blocks."""

import pathlib
import statistics

README = pathlib.Path(__file__).resolve().parent / "README.md"


def median(values):
    return statistics.median(values)


def digits(value):
    if 100 <= abs(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if 10 <= abs(value) else f"{value:.2f}"


def spread(values, whole=False):
    """Median (min–max); of one value, the value."""
    show = (lambda value: f"{value:,.0f}") if whole else digits
    middle = show(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({show(min(values))}–{show(max(values))})"


def ratios(ours, theirs, what):
    """Round by round, so that what both suffered from cancels out."""
    pairs = zip(ours, theirs, strict=True)
    return [getattr(mine, what) / getattr(other, what) for mine, other in pairs]


def table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def grouped(samples, kind):
    """Yields each cell with the samples of its two sides, in the order of the rounds."""
    kept = [sample for sample in samples if sample.cell.kind == kind]
    for cell in dict.fromkeys(sample.cell for sample in kept):
        here = [sample for sample in kept if sample.cell == cell]
        yield cell, *([s for s in here if s.side == side] for side in cell.sides())


def of(samples, what):
    return [getattr(sample, what) for sample in samples]


def produce_table(samples):
    headings = [
        "payload", "partitions", "acks", "broker", "MiB/s", "broker CPU s", "machine − driver CPU s",
        "MiB per broker CPU-s", "× Kafka", "MiB per machine CPU-s", "× Kafka", "p50 ms", "p99 ms",
    ]  # fmt: skip
    rows = []
    for cell, kafka, logmill in grouped(samples, "produce"):
        for here in [kafka, logmill]:
            own = here is logmill
            rows.append([
                f"{cell.payload} B", cell.partitions, cell.acks, here[0].side,
                spread(of(here, "mib_s")), spread(of(here, "cpu_s")), spread(of(here, "machine_s")),
                spread(of(here, "per_cpu_s")),
                f"**{spread(ratios(here, kafka, 'per_cpu_s'))}**" if own else "1",
                spread(of(here, "per_machine_s")),
                spread(ratios(here, kafka, "per_machine_s")) if own else "1",
                spread(of(here, "p50_ms"), True), spread(of(here, "p99_ms"), True),
            ])  # fmt: skip
    return table(headings, rows)


def latency_table(samples):
    headings = ["acks", "broker", "records/s", "p50 ms", "p99 ms", "broker CPU s"]
    rows = []
    for cell, *sides in grouped(samples, "latency"):
        for here in sides:
            rows.append([
                cell.acks, here[0].side, spread(of(here, "rate"), True),
                spread(of(here, "p50_ms"), True), spread(of(here, "p99_ms"), True),
                spread(of(here, "cpu_s")),
            ])  # fmt: skip
    return table(headings, rows)


def verify_table(samples):
    headings = [
        "payload", "MiB/s without", "MiB/s with", "ratio",
        "MiB per CPU-s without", "with", "ratio",
    ]  # fmt: skip
    rows = []
    for cell, plain, verify in grouped(samples, "verify"):
        rows.append([
            f"{cell.payload} B",
            spread(of(plain, "mib_s")), spread(of(verify, "mib_s")),
            f"**{spread(ratios(verify, plain, 'mib_s'))}**",
            spread(of(plain, "per_cpu_s")), spread(of(verify, "per_cpu_s")),
            spread(ratios(verify, plain, "per_cpu_s")),
        ])  # fmt: skip
    return table(headings, rows)


def start_table(bench):
    headings = ["broker", "start to first accepted produce, ms", "resident when idle, MiB"]
    rows = [
        [name, spread(bench.starts[name], True), spread(bench.idle_mib[name])]
        for name in ["Kafka", "Logmill"]
    ]
    return table(headings, rows)


def durable_line(took):
    ordered = sorted(took)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return (
        f"The disk's bare durable write (append 16 KiB, fdatasync; {len(took):,} times, in every "
        f"round): p50 {digits(statistics.median(took))} ms, p99 {digits(p99)} ms. Every acks=all of "
        "Logmill waits for one of these; Kafka, with its defaults, never syncs."
    )


def clients(bench):
    samples = bench.samples
    workers = sum(s.ring_worker_s for s in samples if s.side != "Kafka")
    own = sum(s.cpu_s for s in samples if s.side != "Kafka")
    parts = [
        "**Produce**, as fast as the driver goes",
        produce_table(samples),
        durable_line(bench.durable_ms),
        f"io_uring workers used {workers / max(own, 0.01):.1%} of Logmill's CPU; it is counted above.",
        "**Latency** at a fixed load: 1 KiB, 1 partition, 5,000 records/s",
        latency_table(samples),
        "**Partitioner** `identity` bound as `verify`, against no partitioner: Logmill, 1 partition, "
        "acks=1",
        verify_table(samples),
        "**Start and idle**",
        start_table(bench),
    ]
    return "\n\n".join(parts)


def write(name, text):
    """Puts the tables between the markers of this bench and touches nothing else."""
    begin = f"<!-- {name}: written by `benches/run --write` -->"
    end = f"<!-- end of {name} -->"
    before, found, rest = README.read_text().partition(begin)
    _old, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{README} lacks the markers {begin!r} and {end!r}")
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}")
