"""Tables in ARFF, the format of Weka: attributes with their types, ``@data``, then a row a line.

SciPy's reader is not used: it ignores values beyond the last attribute, takes 1_000 for 1000 and 1?2 for a missing
value, and cannot take letters beyond ASCII, nor string columns that are to be left out. Here each line is what the
format says, or is refused.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tinydist.errors import DataError
from tinydist.tables import counted

NUMERIC, INTEGER, NOMINAL = "numeric", "integer", "nominal"
MISSING = "?"
"""What stands for a missing value, unless it is in quotes: then it is a word."""

# Possessive quantifiers (*+) never try again with less: a long line that is wrong is refused at once. They stand behind
# single characters only, as early versions of Python 3.11 misread them behind groups. No group needs one: what may
# follow it cannot begin as it does, so trying again without it fails at the next character.
_QUOTED = r"""(?:'[^']*+'|"[^"]*+")"""
_WORD = rf"""\s*+(?:{_QUOTED}\s*+|[^'",}}][^,}}]*+)?"""
_AS_DATE = rf"""(?:(?<=date)(?:\s*+{_QUOTED}|\s++[^\s'"%]\S*+))?"""
_COMMENT = r"\s*+(?:%.*)?"
_ATTRIBUTE = re.compile(
    rf"""\s*+@attribute\s++(?P<name>{_QUOTED}|[^\s'"{{][^\s{{]*+)(?:\s++|(?={{))"""
    rf"""(?:\{{(?P<words>{_WORD}(?:,{_WORD})*)\}}|(?P<number>numeric|real|integer)\s*+(?:\[[^\]]*+\])?"""
    rf"""|(?P<other>string|relational|date){_AS_DATE}){_COMMENT}""",
    re.IGNORECASE,
)
_DATA = re.compile(rf"\s*+@data{_COMMENT}", re.IGNORECASE)
_RELATION = re.compile(r"\s*+@relation\b.*", re.IGNORECASE)
_CELL = re.compile(r"\s*+(?:'([^']*+)'\s*+|\"([^\"]*+)\"\s*+|([^'\",][^,]*+)?)(,|$)")


@dataclass(frozen=True)
class Attribute:
    """A column as the file declares it.

    Attributes:
        name: its heading.
        kind: ``NUMERIC``, ``INTEGER``, ``NOMINAL``, or the type that stands there, such as "string".
        words: that it may hold, if it is nominal.
    """

    name: str
    kind: str
    words: tuple[str, ...] = ()


def parse(path: Path, text: str) -> tuple[list[Attribute], list[tuple[int, list[str | None]]]]:
    """Return the attributes of a file, and the number of the line and the cells of every row; None is missing.

    Args:
        path: of the file, for error messages.
        text: of the file.

    Raises:
        DataError: if a line cannot be right, or holds what is not read here: sparse rows, relational attributes,
            escapes; names the line.
    """
    numbered = enumerate(map(str.rstrip, io.StringIO(text, newline=None)), 1)  # \r and \r\n end lines, too
    lines = ((number, line) for number, line in numbered if line and not line.lstrip().startswith("%"))
    attributes: list[Attribute] = []
    for number, line in lines:
        if _DATA.fullmatch(line):
            break
        if not _RELATION.fullmatch(line):
            attributes.append(_attribute(f"{path}, line {number}", line))
    else:
        raise DataError(f"{path} is not a whole ARFF file: the line @data is missing; expected it above the rows")
    rows = [(number, _row(f"{path}, line {number}", line, len(attributes))) for number, line in lines]
    if not rows:
        raise DataError(f"{path} has 0 rows; expected some below the line @data")
    return attributes, rows


def _attribute(where: str, line: str) -> Attribute:
    """Return the attribute that a line declares."""
    found = _ATTRIBUTE.fullmatch(line)
    if found is None:
        _check_escapes(where, line)
    words = _cells(where, found["words"]) if found and found["words"] is not None else []
    if found is None or "" in words:
        raise DataError(
            f"{where}: {line.strip()!r} is not a line of an ARFF file; expected @attribute NAME numeric, or @attribute "
            "NAME {A,B,C}, with quotes around what holds blanks or commas"
        )
    declared = [word for word in words if word is not None]
    if len(declared) < len(words):
        raise DataError(f"{where} declares ?, a missing value, as a word; write '?' for the word: {line.strip()!r}")
    if twice := [word for word, times in Counter(declared).items() if times > 1]:
        raise DataError(f"{where} declares {twice[0]!r} twice (blanks around it do not count): {line.strip()!r}")
    name, kind = found["name"], (found["other"] or "").lower()
    if name[0] in "'\"":
        name = name[1:-1].strip()
    if not name:
        raise DataError(f"{where}: the name of the attribute is blank; expected one: {line.strip()!r}")
    if kind == "relational":
        raise DataError(f"{where}: attribute {name!r} is relational; expected a flat table. Write it as one")
    if found["number"]:
        kind = INTEGER if found["number"].lower() == INTEGER else NUMERIC
    return Attribute(name, kind or NOMINAL, tuple(declared))


def _row(where: str, line: str, width: int) -> list[str | None]:
    """Return the cells of a row."""
    if line.lstrip().startswith("{"):
        raise DataError(f"{where} is sparse: {line.strip()!r}. Save the table with all values of each row")
    cells = _cells(where, line)
    if len(cells) != width:
        raise DataError(
            f"{where} has {counted(len(cells), 'value')}; expected {width}, one for each attribute, with commas between"
        )
    return cells


def _cells(where: str, text: str) -> list[str | None]:
    """Return what stands between commas, without the quotes and the blanks around it; None where that is only ?."""
    _check_escapes(where, text)
    cells: list[str | None] = []
    at = 0
    while found := _CELL.match(text, at):
        cell = "".join(filter(None, found.groups()[:3])).strip()
        cells.append(None if found[3] and cell == MISSING else cell)
        if not found[4]:
            return cells
        at = found.end()
    raise DataError(f"{where} is damaged: a quote is not closed, or more stands behind one: {text.strip()!r}")


def _check_escapes(where: str, text: str) -> None:
    """Raise if a text holds an escape."""
    if "\\" in text:
        raise DataError(
            f"{where} has an escape with \\, which is not read: {text.strip()!r}. Write the character itself"
        )
