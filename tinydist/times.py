"""Conversion of spans of time to text, and of text to spans of time."""

from __future__ import annotations

import re

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""Units of time, each with its seconds."""


def read_span(text: str) -> int:
    """Read a time such as 90m, 2h, 1h30m, 45s or 2d, and return it in seconds.

    Raises:
        ValueError: if the text is not such a time, or the time is zero.
    """
    found = re.fullmatch("".join(f"(?:([0-9]{{1,6}}){unit})?" for unit in UNITS), text.strip())
    counts = found.groups("0") if found else ()
    seconds = sum(int(count) * size for count, size in zip(counts, UNITS.values(), strict=False))
    if not seconds:
        raise ValueError(f"expected a time such as 90m, 2h, 1h30m, 45s or 2d, got {text!r}")
    return seconds


def written_span(seconds: int) -> str:
    """Return the text of a time as :func:`read_span` reads it, in the largest units: 5400 seconds are 1h30m."""
    written = ""
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        written += f"{count}{unit}" if count else ""
    return written


def duration(seconds: float) -> str:
    """Return the text of a time, in the two largest units that it needs; seconds only below ten minutes."""
    whole = max(1, round(seconds))
    minutes = round(seconds / 60)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        text = f"{whole // 60} min {whole % 60} s"
    elif minutes < 60:
        text = f"{minutes} min"
    elif minutes < 48 * 60:
        text = f"{minutes // 60} h {minutes % 60} min"
    else:
        text = f"{minutes // (24 * 60)} days {minutes // 60 % 24} h"
    return text.partition(" 0 ")[0]
