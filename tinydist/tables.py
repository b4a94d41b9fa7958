"""Tables and counts as text."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 110
"""Columns of printed text, at most."""


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines of text with aligned columns; the first row is the heading, underlined by dashes.

    Args:
        rows: cells, each row of the same length.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def counted(number: int, thing: str) -> str:
    """Return a number of things, such as "1 run" or "3 runs"; the plural of the word takes an s."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
