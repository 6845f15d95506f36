"""How the demo speaks: titles, sentences, checks."""

import sys


class Failed(Exception):
    """A check did not hold; the text is one sentence."""


def title(text):
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def say(text):
    print(text, flush=True)


def check(holds, sentence):
    """Says what was checked, or ends the demo."""
    if not holds:
        raise Failed(f"it is not so that {sentence}")
    print(f"  ✓ {sentence}", flush=True)


def table(headings, rows):
    """Aligned columns, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in [headings, *rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headings))]
    for row in cells:
        aligned = [
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths))
        ]
        print("    " + "  ".join(aligned).rstrip())
    sys.stdout.flush()


def number(count):
    return f"{count:,}"
