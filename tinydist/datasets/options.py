"""Options of a table, which stand in the name of its data set: ``FILE.csv:COLUMN?missing=drop&drop=id&drop=name``.

They are written as the query of a URL, so that a name alone says what is read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

MISSING = ("refuse", "drop", "mean")
"""What becomes of missing values: an error, rows left out, or the column's mean over the training rows."""
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blank": " "}
"""What separates the cells of a table, by a name that is easier to type."""


@dataclass(frozen=True)
class TableOptions:
    """How a table is read.

    Attributes:
        drop: headings of columns to leave out.
        missing: one of ``MISSING``.
        delimiter: the character between cells; recognised if empty.
        decimal: "." or ","; recognised if empty.
        test: path of a file with the rows to test on; if empty, they are drawn from the table.
    """

    drop: tuple[str, ...] = ()
    missing: str = "refuse"
    delimiter: str = ""
    decimal: str = ""
    test: str = ""

    def __post_init__(self) -> None:
        if self.missing not in MISSING:
            raise ValueError(f"missing: expected one of {', '.join(MISSING)}, got {self.missing!r}")
        if self.decimal not in ("", ".", ","):
            raise ValueError(f"decimal: expected . or , got {self.decimal!r}")
        if len(self.delimiter) > 1 or self.delimiter in tuple('"\r\n'):
            raise ValueError(
                f"delimiter: expected one character, or one of {', '.join(DELIMITERS)}; got {self.delimiter!r}"
            )
        if self.delimiter and self.delimiter == self.decimal:
            raise ValueError(f"delimiter and decimal cannot both be {self.decimal!r}")

    def __str__(self) -> str:
        """Return the options as they stand in a name; empty if none is given."""
        given = [("drop", heading) for heading in self.drop]
        given += [(f.name, getattr(self, f.name)) for f in fields(self) if f.name != "drop"]
        given = [(name, value) for name, value in given if value != getattr(TableOptions, name)]
        return f"?{urlencode(given, quote_via=quote, safe='/')}" if given else ""


def how(option: str, value: str) -> str:
    """Return how a user says a value of an option: on the command line, or in the name of a data set."""
    return f"--{option} {shlex.quote(value)} (in a name ?{option}={quote(value)})"


NAMES = tuple(field.name for field in fields(TableOptions))
_QUERY = re.compile(rf"\?(?=(?:{'|'.join(NAMES)})=)")


def split_name(name: str) -> tuple[str, TableOptions]:
    """Return a name without its options, and these.

    They begin at a ``?`` that the name of an option and ``=`` follow; any other ``?`` is part of the name.

    Raises:
        ValueError: if an option is unknown, given twice, or has a value out of range.
    """
    bare, *query = _QUERY.split(name, maxsplit=1)
    given: dict[str, Any] = {}
    for key, value in parse_qsl("".join(query), keep_blank_values=True, strict_parsing=bool(query)):
        if key not in NAMES:
            raise ValueError(f"unknown option {key!r} in {name!r}; known: {', '.join(NAMES)}")
        if key == "drop":
            given[key] = (*given.get(key, ()), value)
        elif key in given:
            raise ValueError(f"option {key!r} stands twice in {name!r}; give it once")
        else:
            given[key] = DELIMITERS.get(value, value) if key == "delimiter" else value
    return bare, TableOptions(**given)


def with_options(name: str, drop: Sequence[str] = (), **others: str | None) -> str:
    """Return a name with these options added to those that it has; None stands for an option that is not given."""
    new = [("drop", heading) for heading in drop] + [(key, value) for key, value in others.items() if value is not None]
    if not new:
        return name
    return f"{name}{'&' if _QUERY.search(name) else '?'}{urlencode(new, quote_via=quote, safe='/')}"
