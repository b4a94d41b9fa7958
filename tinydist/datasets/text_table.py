"""Tables in text files: what stands in their cells, and what becomes of it.

Cells are read by pandas, which decides for every column whether it holds numbers. A column that holds anything else
beside numbers and missing values is looked at word by word, and refused if its words look like numbers or dates.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tinydist.datasets import arff, files
from tinydist.datasets.options import TableOptions, how
from tinydist.datasets.reading import LEFT_OUT, NUMBERS, WORDS, Column, listed, numbered
from tinydist.datasets.samples import class_numbers
from tinydist.errors import DataError
from tinydist.tables import counted

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]

MOST_LEVELS = 100
"""Number of different words in a column, at most: each becomes a column of its own."""
MISSING_WORDS = (
    *("", "NA", "N/A", "na", "n/a", "N.A.", "n.a.", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN"),
    *("NULL", "Null", "null", "?"),
)
"""What stands in a cell whose value is missing."""
GAPS = ("-", "--", ".", "None", "none")
"""What stands for a missing value among numbers; elsewhere it is a word like any other, such as the class "-"."""
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
COMMA_NUMBER = r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?"
THOUSANDS = r"[+-]?[1-9][0-9]{0,2},[0-9]{3}"
LIKE_NUMBERS = (
    r"[$€£¥]?\s?[+-]?[\d.,'’\s]*\d[\d.,'’\s]*[%$€£¥]?"  # 1,234 or 12 % or $5
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T\s].*)?"  # dates
    r"|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"  # times of day
)
"""Words that stand for a quantity, in a spelling that is none of a number."""
FLOAT32 = np.finfo(np.float32)

csv.field_size_limit(2**31 - 1)  # pandas has none


@dataclass(frozen=True)
class Table:
    """The contents of a table, ready to be split.

    Attributes:
        x: (rows, inputs), float64; NaN where a value is missing and is to be filled in.
        y: the class of each row, as a word.
        columns: what the columns are; those left out among them.
        notes: what a user has to know, in words.
    """

    x: Array
    y: Array
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def read_table(path: Path, target: str, options: TableOptions, to_test_on: bool = False) -> Table:
    """Read a table; one of the last two is not read again unless its file has changed.

    Args:
        path: of the file, with headings in its first line, or ARFF; UTF-8, gzipped or not.
        target: heading of the column of classes.
        options: how to read it; a test file in them is not read.
        to_test_on: whether all rows are to test on, so that nothing has to be learnt from these alone.

    Raises:
        DataError: if it cannot be used; says where, and what to do.
    """
    stamp = path.stat()
    return _read(path, target, options, to_test_on, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=2)
def _read(path: Path, target: str, options: TableOptions, to_test_on: bool, _stamp: tuple[int, int]) -> Table:
    kind = _ArffTable if is_arff(path) else _TextTable
    return kind(path, target, options, to_test_on).table()


def is_arff(path: Path) -> bool:
    """Return whether a file is in ARFF, by its name."""
    return path.name.lower().endswith((".arff", ".arff.gz"))


class _TextTable:
    """A file and how it is to be read; the methods go from its bytes to a table."""

    form = "a CSV file"
    words: frozenset[str] = frozenset()
    """Columns that the file declares to be of words, whatever these look like."""

    def __init__(self, path: Path, target: str, options: TableOptions, to_test_on: bool) -> None:
        self.path, self.target, self.options, self.to_test_on = path, target, options, to_test_on
        self.text = self._decoded()
        self.headings = self._headings()
        self.left_out = {name: "no heading" for name in self.headings if name != target and self._is_unnamed(name)}
        self.left_out |= dict.fromkeys(options.drop, "as asked")

    def _is_unnamed(self, heading: str) -> bool:
        """Return whether a column has no heading; pandas writes one it has read without a heading as "Unnamed: 0"."""
        return not heading or re.fullmatch(r"Unnamed: \d+", heading) is not None

    def _decoded(self) -> str:
        contents = files.unzipped(self.path)
        coding = "UTF-16" if contents[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "LATIN1"
        try:
            text = contents.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            line = len(contents[: problem.start + 1].splitlines())
            raise DataError(
                f"{self.path} is not {self.form} in UTF-8: line {line} has the byte {contents[problem.start]:#04x}. "
                f"Save it as UTF-8 (such as by iconv -f {coding} -t UTF-8)"
            ) from None
        if "\0" in text:
            raise DataError(f"{self.path} is not text: it holds zero bytes. Save it as {self.form} in UTF-8")
        return text

    def _headings(self) -> tuple[str, ...]:
        """Return the headings, once their line and the delimiter are found."""
        self.skipped, heading = self._heading()
        self.delimiter = self.options.delimiter or self._recognised(heading)
        return tuple(cell.strip() for cell in next(_split([heading], self.delimiter)))

    def _heading(self) -> tuple[int, str]:
        """Return the line of headings, and how many lines are above it: empty ones, and comments."""
        lines = io.StringIO(self.text, newline=None)  # \r and \r\n end lines, too
        for skipped, line in enumerate(lines):
            is_comment = line.startswith("#") and self.target not in map(str.strip, re.split(r"[,;\t| ]", line))
            if line.strip() and not is_comment:
                return skipped, line
        raise DataError(f"{self.path} has 0 lines; expected headings and rows")

    def _recognised(self, heading: str) -> str:
        """Return the delimiter that makes the target a heading; failing that, the one that makes most headings."""
        cells = {delimiter: [cell.strip() for cell in next(_split([heading], delimiter))] for delimiter in ",;\t| "}
        most = max(",;\t|", key=lambda delimiter: len(cells[delimiter]))
        return next((delimiter for delimiter, names in cells.items() if self.target in names), most)

    def table(self) -> Table:
        self._check_headings()
        cells, number, notes = self._columns()
        keep, missing = self._without_missing(cells)
        cells = {name: column[keep] for name, column in cells.items()}
        columns, parts = [], []
        for at, name in enumerate(self.headings):
            if name in self.left_out:
                columns.append(Column(name or f"column {at + 1}", LEFT_OUT, why=self.left_out[name]))
            elif name != self.target:
                column, values = self._column(name, cells[name], number)
                columns.append(column)
                parts.append(values)
        x, y = np.concatenate(parts, axis=1), self._labels(cells[self.target])
        x.flags.writeable = y.flags.writeable = False  # they are kept for other splits
        doubts = () if self.to_test_on else _doubts(columns, parts)
        return Table(x, y, tuple(columns), (*notes, missing, *doubts))

    def _columns(self) -> tuple[dict[str, pd.Series], str, list[str]]:
        """Return the columns that are not left out, the pattern of a number in them, and notes on the whole.

        A column holds numbers or words, that of the classes words; NaN where a value is missing.
        """
        frame, notes = self._frame(self.options.decimal or ".")
        decimal = self.options.decimal or ("," if self._has_decimal_commas(frame) else ".")
        if decimal == ",":
            frame, notes = self._frame(",")
            notes.append("Decimal point in its numbers: the comma")
        number = _number(decimal)
        cells = {
            name: _without_blanks(frame[at]) if name == self.target else _numbers(frame[at], number)
            for at, name in enumerate(self.headings)
            if name not in self.left_out
        }
        return cells, number, notes

    def _check_headings(self) -> None:
        names, read = self.headings, f"its columns are {listed(self.headings)}"
        if self.target not in names:
            raise DataError(f"column {self.target!r} is missing in {self.path}; {read}{self._doubt()}")
        if twice := sorted({name for name in names if names.count(name) > 1 and not self._is_unnamed(name)}):
            raise DataError(f"{self.path} has the same heading twice: {listed(twice)}. Name each column differently")
        self._check_first_line()
        if unknown := [name for name in self.options.drop if name not in names]:
            raise DataError(f"column {unknown[0]!r}, which is to be dropped, is missing in {self.path}; {read}")
        if self.target in self.options.drop:
            raise DataError(f"column {self.target!r} of {self.path} holds the classes; it cannot be dropped, too")
        if not set(names) - {self.target} - self.left_out.keys():
            raise DataError(
                f"{self.path} has only the column {self.target!r}; expected others with headings to learn it from"
            )

    def _doubt(self) -> str:
        """Return why headings may not be what the user thinks."""
        doubt = f"; line {self.skipped + 1} was taken for its headings" if self.skipped else ""
        return f" (between cells: {self.delimiter!r}; --delimiter sets another{doubt})"

    def _check_first_line(self) -> None:
        """Raise if the line of headings seems to be a row."""
        if number := [name for name in self.headings if re.fullmatch(NUMBER, name) and not name.isdigit()]:
            raise DataError(
                f"{self.path} seems to have no headings: its first line holds the number {number[0]}. Put a line with "
                "the names of the columns first"
            )

    def _frame(self, decimal: str) -> tuple[pd.DataFrame, list[str]]:
        """Return the cells, a row for every record below the headings but empty lines, and a note on these."""
        import pandas as pd  # here, because only tables need it and it would slow down every import of tinydist

        width = len(self.headings)
        read = partial(
            pd.read_csv,
            sep=r"\s+" if self.delimiter == " " else self.delimiter,
            names=range(width),
            decimal=decimal,
            keep_default_na=False,
            na_values=list(MISSING_WORDS),
            skip_blank_lines=False,
            skipinitialspace=True,
            low_memory=False,
        )
        target = self.headings.index(self.target)
        try:
            frame = read(self._below_headings(), dtype={target: str})
            words = {at: str for at in range(width) if not _is_numeric(frame[at])}
            if len(words) > 1:  # as they stand there: TRUE and true are two of them
                frame = read(self._below_headings(), dtype=words)
        except pd.errors.ParserError as problem:
            self._refuse_ragged(str(problem))
        if not isinstance(frame.index, pd.RangeIndex):
            self._refuse_ragged("lines have more cells than there are headings")
        notes = []
        if frame[width - 1].isna().any():  # as in a line that is too short, or empty, or a comment
            self._refuse_ragged()
            begun = frame[0].notna() & ~frame[0].astype(str).str.startswith("#")
            empty = (frame.iloc[:, 1:].isna().all(axis=1) & ~begun).to_numpy()
            if empty.any():
                lines = numbered("line", self._lines(frame[0], empty))
                notes.append(f"{empty.sum():,} rows left out, which are empty or comments ({lines})")
                frame = frame[~empty]
        if not len(frame):
            raise DataError(f"{self.path} has {self.skipped + 1} lines; expected headings and rows")
        return frame, notes

    def _below_headings(self) -> io.StringIO:
        """Return the text from the line after the headings on."""
        stream = io.StringIO(self.text, newline=None)
        for _ in range(self.skipped + 1):
            stream.readline()
        return stream

    def _refuse_ragged(self, problem: str = "") -> None:
        """Raise if a line has not as many cells as there are headings, or if there is another problem."""
        width = len(self.headings)
        for line, cells in self._records():
            if len(cells) != width and not _is_comment(cells):
                hint = "; does the first column lack a heading?" if len(cells) == width + 1 else ""
                found = counted(len(cells), "cell")
                raise DataError(
                    f"{self.path}, line {line} has {found}; expected {width} cells, one for each heading"
                    f"{hint}. Cells are separated by {self.delimiter!r} (--delimiter sets another); put quotes around "
                    "a cell that holds it"
                )
        if problem:
            raise DataError(f"{self.path} is not a CSV file: {problem.strip()}") from None

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield every record below the headings, in step with the rows of the frame, with the number of its line."""
        reader = _split(self._below_headings(), self.delimiter)
        line = 0
        for cells in reader:
            yield self.skipped + 2 + line, cells
            line = reader.line_num

    def _lines(self, cells: pd.Series, rows: Array) -> list[int]:
        """Return the numbers of the lines in which some rows of a column begin."""
        wanted = set(cells.index[rows].tolist())
        return [line for number, (line, _) in enumerate(self._records()) if number in wanted]

    def _first(self, name: str, cells: pd.Series, rows: Array) -> tuple[int, str]:
        """Return the number of the line, and what stands there, in the first of some rows of a column."""
        line, record = next(itertools.islice(self._records(), int(cells.index[rows][0]), None))
        return line, record[self.headings.index(name)].strip()

    def _has_decimal_commas(self, frame: pd.DataFrame) -> bool:
        """Return whether commas in numbers are decimal points.

        Raises:
            DataError: if they may be between thousands as well.
        """
        certain, doubtful = False, ""
        for at, name in enumerate(self.headings):
            if name == self.target or name in self.left_out or _is_numeric(frame[at]):
                continue
            words = frame[at].dropna().astype(str).str.strip()
            commas = words[words.str.fullmatch(COMMA_NUMBER)]
            plain = commas[~commas.str.fullmatch(THOUSANDS)] if self.delimiter != "," else commas[:0]
            certain = certain or len(plain) > 0
            if len(commas) > len(plain) and not doubtful:
                line, word = self._first(name, commas, commas.index == commas.index[0])
                doubtful = f"{self.path}, line {line}: {word} in column {name!r}"
        if doubtful and not certain:
            raise DataError(
                f"{doubtful} may have a decimal comma, or one between thousands; expected numbers such as 1234.5. Say "
                "--decimal , for the first; for the other, take these commas out of the file"
            )
        return certain

    def _without_missing(self, cells: dict[str, pd.Series]) -> tuple[Array, str]:
        """Return which rows to use, (rows,), and a note on missing values.

        Raises:
            DataError: if missing values are not allowed, or cannot be dealt with as asked.
        """
        missing = {name: gone for name, column in cells.items() if (gone := column.isna().to_numpy()).any()}
        keep = np.ones(len(cells[self.target]), dtype=bool)
        if not missing:
            return keep, "No missing values"
        found = []
        for name, gone in missing.items():
            where = numbered("line", self._lines(cells[name], gone))
            if gone.all():
                raise DataError(
                    f"{self.path}: all values of column {name!r} are missing. Leave it out: {how('drop', name)}"
                )
            if self.options.missing == "refuse" or (self.options.missing == "mean" and name == self.target):
                ways = f"{how('missing', 'drop')} leaves these rows out"
                if name != self.target:
                    ways += f", --missing mean fills in the column's mean, {how('drop', name)} leaves out the column"
                raise DataError(
                    f"{self.path}: column {name!r} has missing values in {gone.sum():,} of {len(gone):,} rows "
                    f"({where}), the first {self._first(name, cells[name], gone)[1]!r}; {ways}"
                )
            found.append(f"{name} in {gone.sum():,} rows ({where})")
        note = f"Missing values: {listed(found)}"
        if self.options.missing == "mean":
            return keep, f"{note}; filled in by the column's mean over the training rows"
        keep = ~np.any(list(missing.values()), axis=0)
        if not keep.any():
            raise DataError(f"{self.path}: every row has a missing value, so --missing drop would leave none. {note}")
        return keep, f"{note}; {np.count_nonzero(~keep):,} of {len(keep):,} rows left out"

    def _labels(self, words: pd.Series) -> Array:
        labels = words.to_numpy()
        if self.to_test_on:
            return labels
        whose = f"{self.path}: column {self.target!r}"
        try:
            numbers, _, classes = class_numbers(labels, labels[:0])
        except ValueError as problem:
            raise DataError(f"{whose}: {problem}") from None
        if len(classes) > len(labels) / 2:
            raise DataError(
                f"{whose} has {len(classes):,} different values in {len(labels):,} rows; "
                "expected classes, each with several rows. Cut a measured quantity into classes first"
            )
        counts = np.bincount(numbers)
        if not self.options.test and counts.min() == 1:
            alone = classes[counts.argmin()]
            line, _ = self._first(self.target, words, labels == alone)
            raise DataError(
                f"the rows of {self.path} cannot be split into training and test rows: class {alone!r} has one row, in "
                f"line {line}; expected at least two of each. Leave the row out, or merge the class with another"
            )
        return labels

    def _column(self, name: str, cells: pd.Series, number: str) -> tuple[Column, Array]:
        """Return what a column is, and what a model sees of it, (rows, columns); NaN where a value is missing."""
        if _is_numeric(cells):
            numbers = cells.to_numpy(dtype=np.float64)
            self._check_range(name, numbers, cells)
            return Column(name, NUMBERS), numbers[:, None]
        gone = cells.isna().to_numpy()
        words = cells[~gone]
        are_numbers = words.str.fullmatch(number).to_numpy()
        odd = ~are_numbers if are_numbers.any() else words.str.fullmatch(LIKE_NUMBERS).to_numpy()
        if odd.any() and name not in self.words:
            self._refuse(
                name,
                words,
                odd,
                "is neither a word nor a plain number such as 1234.5; expected only numbers in a column, or only "
                "words. Write numbers without units and separators between thousands (--decimal sets the decimal "
                f"point), missing values as NA, or leave the column out: {how('drop', name)}",
            )
        which, levels = words.factorize(sort=True)
        if len(levels) > MOST_LEVELS or (len(levels) > max(len(words) / 2, 2) and not self.to_test_on):
            raise DataError(
                f"{self.path}: column {name!r} has {len(levels):,} different words in {len(words):,} rows, such as "
                f"{levels[0]!r}; at most {MOST_LEVELS} can become columns of their own, each for several rows. "
                f"Leave the column out: {how('drop', name)}"
            )
        values = np.full((len(cells), len(levels)), np.nan)
        values[~gone] = np.eye(len(levels))[which]
        return Column(name, WORDS, tuple(levels.tolist())), values

    def _check_range(self, name: str, numbers: Array, cells: pd.Series) -> None:
        """Raise if numbers cannot be held once they are float32."""
        size = np.abs(numbers)
        if (beyond := size > FLOAT32.max).any():
            self._refuse(name, cells, beyond, f"is beyond {FLOAT32.max:.2g}, the largest number that a model can take")
        if 0 < np.nanmax(size) < FLOAT32.tiny:
            self._refuse(
                name, cells, size > 0, "is so small that a model takes it for 0. Give the column in another unit"
            )

    def _refuse(self, name: str, cells: pd.Series, rows: Array, problem: str) -> NoReturn:
        """Raise an error about the first of some rows of a column."""
        line, word = self._first(name, cells, rows)
        raise DataError(f"{self.path}, line {line}: {word!r} in column {name!r} {problem}")


class _ArffTable(_TextTable):
    """A file in ARFF, which says itself what its columns are."""

    form = "an ARFF file"

    def _headings(self) -> tuple[str, ...]:
        self.attributes, self.rows = arff.parse(self.path, self.text)
        self.words = frozenset(attribute.name for attribute in self.attributes if attribute.kind == arff.NOMINAL)
        return tuple(attribute.name for attribute in self.attributes)

    def _is_unnamed(self, heading: str) -> bool:
        return not heading  # "Unnamed: 0" is a name like any other

    def _doubt(self) -> str:
        return ""

    def _check_first_line(self) -> None:
        pass  # it holds no headings

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, [arff.MISSING if cell is None else cell for cell in row]) for line, row in self.rows)

    def _columns(self) -> tuple[dict[str, pd.Series], str, list[str]]:
        import pandas as pd

        cells = {}
        for at, attribute in enumerate(self.attributes):
            if attribute.name in self.left_out:
                continue
            column = pd.Series([row[at] for _, row in self.rows], dtype=object)
            column = column.mask(column.isna(), np.nan)
            self._check_type(attribute, column)
            is_number = attribute.kind != arff.NOMINAL and attribute.name != self.target
            cells[attribute.name] = column.astype(np.float64) if is_number else column
        return cells, NUMBER, []

    def _check_type(self, attribute: arff.Attribute, cells: pd.Series) -> None:
        """Raise if the type of a column is none that can be learnt from, or a value is not of it."""
        name, kind = attribute.name, attribute.kind
        if kind not in (arff.NUMERIC, arff.INTEGER, arff.NOMINAL):
            remedy = "" if name == self.target else f", or leave it out: {how('drop', name)}"
            raise DataError(
                f"{self.path}: column {name!r} is of type {kind}; expected numeric, or nominal such as {{A,B,C}}. "
                f"Declare its words as nominal{remedy}"
            )
        if kind == arff.NOMINAL:
            right = cells.isin({*attribute.words, np.nan}).to_numpy(dtype=bool)
            expected = f"one of {listed(attribute.words)}"
        else:
            right = cells.str.fullmatch(NUMBER, na=True).to_numpy(dtype=bool)
            expected = "a number such as 1234.5"
        if kind == arff.INTEGER:
            numbers = cells.where(right, np.nan).to_numpy(dtype=np.float64)
            right = right & (np.isnan(numbers) | (numbers == np.floor(numbers)))
            expected = "a whole number such as 1234"
        if not right.all():
            self._refuse(
                name, cells, ~right, f"is not of its type; expected {expected}, or ? without quotes if it is missing"
            )


def _split(lines: Iterable[str], delimiter: str) -> Any:
    """Return a reader of the cells of lines."""
    if delimiter == " ":
        lines = (" ".join(line.split()) for line in lines)
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def _is_comment(cells: Sequence[str]) -> bool:
    """Return whether a record is an empty line, or a comment."""
    return not cells or (len(cells) == 1 and (not cells[0].strip() or cells[0].startswith("#")))


def _is_numeric(cells: pd.Series) -> bool:
    return cells.dtype.kind in "iuf"


def _number(decimal: str) -> str:
    """Return the pattern of a number with this decimal point."""
    return NUMBER.replace(r"\.", re.escape(decimal))


def _without_blanks(cells: pd.Series) -> pd.Series:
    """Return words without the blanks around them, NaN where one is missing."""
    words = cells.where(cells.isna(), cells.astype(str).str.strip()).astype(object)
    return words.mask(words.isin(MISSING_WORDS))


def _numbers(cells: pd.Series, number: str) -> pd.Series:
    """Return a column as numbers if all that is there are numbers, else as words; `number` is their pattern."""
    if _is_numeric(cells):
        return cells
    words = _without_blanks(cells)
    among_numbers = words.mask(words.isin(GAPS))
    present = among_numbers[among_numbers.notna()]
    if len(present) and present.str.fullmatch(number).all():  # with blanks around, or too large for an integer
        return among_numbers.str.replace(",", ".").astype(np.float64)
    return words


def _doubts(columns: Sequence[Column], parts: Sequence[Array]) -> Iterator[str]:
    """Yield notes on columns that may not be what their users think."""
    used = [column.name for column in columns if column.kind != LEFT_OUT]
    found = dict(zip(used, parts, strict=True))
    others = {name: np.count_nonzero((x != np.median(x, axis=0)).any(axis=1)) for name, x in found.items()}
    if same := [name for name, rows in others.items() if rows == 0]:
        yield f"The same in every row, so nothing to learn from: {listed(same)}"
    if nearly := [name for name, rows in others.items() if rows == 1]:
        yield f"The same in every row but one, so next to nothing to learn from: {listed(nearly)}"
    if far := [name for name, x in found.items() if _hides_the_others(x)]:
        yield f"Numbers so far from all others that these look alike to a model: {listed(far)}"
    if ids := [
        name
        for name, x in found.items()
        if x.shape[1] == 1 and np.array_equal(x, np.rint(x)) and len(np.unique(x)) == len(x)
    ]:
        yield f"Another whole number in every row: {listed(ids)}. Row numbers or identifiers? --drop leaves them out"


def _hides_the_others(x: Array) -> bool:
    """Return whether the largest distance in a column is beyond what float32 can hold beside that of half the rows."""
    low, middle, high = np.nanpercentile(x, (25, 50, 75))
    return bool(0 < high - low < FLOAT32.eps * np.nanmax(np.abs(x - middle)))
