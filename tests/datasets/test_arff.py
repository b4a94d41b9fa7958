"""Tables in ARFF: as the CSV file with the same rows, and as SciPy reads them where it does, or refused by line."""

import io

import numpy as np
import pytest
from scipy.io import arff as scipy_arff

from tinydist import datasets
from tinydist.datasets.reading import NUMBERS, WORDS
from tinydist.errors import DataError

FILE = "mine.arff"

HEADER = """% a comment
@RELATION 'some flowers'

@attribute 'stem length' real
@Attribute colour {red, 'light blue', "dark, blue", green}
@ATTRIBUTE kind {b, a, never}
"""
COLOURS = ("red", "light blue", "dark, blue")
ROWS = [(n + 0.5, COLOURS[n % 3], "ab"[n % 2]) for n in range(20)]
CELLS = [[str(x), f"'{colour}'" if " " in colour else colour, kind] for x, colour, kind in ROWS]
TABLE = f"{HEADER}@data\n" + "".join(f"{', '.join(row)}\n" for row in CELLS)
CSV = "stem length,colour,kind\n" + "".join(f'{x},"{colour}",{kind}\n' for x, colour, kind in ROWS)
FIRST = TABLE.count("\n") - 19
"""The line of the first row."""


def small(values, declared="numeric", ys="ab"):
    """A table with a column v of these values, and as many rows of x and the classes."""
    rows = "".join(f"{n},{value},{ys[n % 2]}\n" for n, value in enumerate(values))
    return (
        f"@relation r\n@attribute x numeric\n@attribute v {declared}\n@attribute kind {{{','.join(ys)}}}\n@data\n{rows}"
    )


def same(one, other):
    """Assert that two data sets hold the same, but for the names of their files."""
    for name in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.class_names == other.class_names
    assert one.reading.columns == other.reading.columns
    assert one.reading.split == other.reading.split


@pytest.mark.parametrize(
    ("query", "kinds"),
    [("", [NUMBERS, WORDS]), ("?drop=colour", [NUMBERS]), ("?drop=stem%20length", [WORDS])],
)
@pytest.mark.parametrize("name", ["mine.arff", "mine.arff.gz", "MINE.ARFF"])
def test_a_table_is_the_same_as_in_csv(write, name, query, kinds):
    here, there = (
        datasets.load(f"{path}:kind{query}", "normalized", split=3)
        for path in (write(TABLE, name), write(CSV, "mine.csv"))
    )
    same(here, there)
    assert here.class_names == ("a", "b")  # in the order of the alphabet, without those that no row has
    assert here.reading.notes == there.reading.notes
    assert [column.kind for column in here.reading.columns if not column.why] == kinds


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("'", '"'),
        lambda text: text.replace(", ", ",").replace("dark,blue", "dark, blue"),
        lambda text: text.replace("@data\n", "@DATA % rows\n\n% one\n  % two\n") + "\n\n",
        lambda text: text.replace("real", "NUMERIC [0, 100] % cm"),
        lambda text: text.replace("{b, a, never}", "{ 'b' ,a , never } % classes"),
        lambda text: text.replace("{b, a, never}", "{never, b, a} % it's not {\\, old}"),
        lambda text: text.replace("kind {", "kind{"),
        lambda text: text.replace("\n0.5,", "\n\t+5e-1 ,").replace("\n", "  \n"),
    ],
    ids=["crlf", "cr", "bom", "quotes", "tight", "comments", "range", "blanks", "old", "brace", "exponent"],
)
def test_the_same_table_in_other_spellings(write, change):
    changed = change(TABLE)
    same(datasets.load(f"{write(changed, 'other.arff')}:kind"), datasets.load(f"{write(TABLE)}:kind"))


def test_numbers_and_classes_are_those_of_scipy(write):
    numbers = np.random.default_rng(0).normal(size=40) * 10.0 ** np.arange(-20, 20)
    text = small([repr(float(x)) for x in numbers], "real")
    theirs, _ = scipy_arff.loadarff(io.StringIO(text))
    data = datasets.load(f"{write(text)}:kind")
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    order = np.argsort(x[:, 0])
    np.testing.assert_array_equal(x[order], np.stack([theirs["x"], theirs["v"]], axis=1).astype(np.float32))
    assert [data.class_names[label] for label in y[order]] == [word.decode() for word in theirs["kind"]]


@pytest.mark.parametrize(
    ("classes", "names"),
    [("10", ("0", "1")), ("äñ", ("ä", "ñ")), (("'b c'", "NA"), ("NA", "b c")), (("-", '"it\'s"'), ("-", "it's"))],
)
def test_classes_are_the_words_that_are_declared(write, classes, names):
    assert datasets.load(f"{write(small(range(20), ys=classes))}:kind").class_names == names


@pytest.mark.parametrize(
    "words", [("0", "1"), ("10-19", "20"), ("1,5", "2"), ("NA", "None"), ("01", "1"), ("TRUE", "true"), ("5 %", "6 %")]
)
def test_a_nominal_column_is_one_of_words_whatever_they_look_like(write, words):
    quoted = [f"'{word}'" for word in words]
    data = datasets.load(f"{write(small(quoted * 10, f'{{{quoted[0]}, {quoted[1]}, unused}}'))}:kind")
    (column,) = [column for column in data.reading.columns if column.name == "v"]
    assert (column.kind, column.words) == (WORDS, tuple(sorted(words)))


@pytest.mark.parametrize(("declared", "word"), [("numeric", "3"), ("{p,q}", "p")])
def test_a_question_mark_is_a_missing_value(write, declared, word):
    values = [word, "7" if word == "3" else "q"] * 10
    values[3] = "?"
    path = write(small(values, declared))
    with pytest.raises(DataError, match=r"column 'v' has missing values in 1 of 20 rows \(line 9\), the first '\?'"):
        datasets.load(f"{path}:kind")
    for way in ("drop", "mean"):
        csv = write("x,v,kind\n" + path.read_text().split("@data\n")[1], "mine.csv")
        same(datasets.load(f"{path}:kind?missing={way}"), datasets.load(f"{csv}:kind?missing={way}"))
    assert "1 of 20 rows left out" in str(datasets.load(f"{path}:kind?missing=drop").reading)


@pytest.mark.parametrize("quote", "'\"")
def test_a_question_mark_in_quotes_is_a_word(write, quote):
    word = f"{quote}?{quote}"
    data = datasets.load(f"{write(small([word, 'y'] * 10, f'{{{word},y}}'))}:kind")
    assert [column.words for column in data.reading.columns] == [(), ("?", "y")]
    assert datasets.load(f"{write(small(range(20), ys=(word, 'y')))}:kind").class_names == ("?", "y")
    with pytest.raises(DataError, match=r"line 6: '\?' in column 'v' is not of its type; .* or \? without quotes"):
        datasets.load(f"{write(small([word, *range(19)]))}:kind?missing=drop")


@pytest.mark.parametrize(
    ("declared", "words"),
    [("{'p}', q}", ("p}", "q")), ("{it's, q} % {r}", ("it's", "q")), ("{'p', \"q,} {\"}", ("p", "q,} {"))],
)
def test_the_words_end_at_the_first_brace_without_quotes(write, declared, words):
    values = [f'"{word}"' for word in words] * 10
    data = datasets.load(f"{write(small(values, declared))}:kind")
    assert data.reading.columns[1].words == words


@pytest.mark.parametrize("name", ["'Unnamed: 0'", '"Unnamed: 12"'])
def test_a_name_is_kept_that_stands_for_none_in_csv(write, name):
    data = datasets.load(f"{write(small(range(20)).replace('@attribute v', f'@attribute {name}'))}:kind")
    assert data.reading.inputs == ("x", name[1:-1])


def test_integers_are_whole_numbers(write):
    path = write(small(["1", "-2.", "3.0", "?", "4e2", "1.5E7", *range(14)], "INTEGER [0, 9] % whole"))
    assert datasets.load(f"{path}:kind?missing=drop").reading.inputs == ("x", "v")
    for value in ("1.5", "-0.1", "15e-1", "one"):
        path = write(small(["1", value, *range(18)], "integer"))
        for target in ("kind", "v"):
            with pytest.raises(DataError, match=rf"line 7: '{value}' in column 'v' .*; expected a whole number"):
                datasets.load(f"{path}:{target}")
    with pytest.raises(DataError, match=r"line 6: '1e400' in column 'v' is beyond"):
        datasets.load(f"{write(small(['1e400', *range(19)], 'integer'))}:kind")


@pytest.mark.parametrize(
    "line",
    [
        "@attribute v numeric{}x",
        "@attribute v{}x",
        "@attribute{}v",
        "@attribute v string{}x",
        "@attribute v date{}x y",
        "@attribute v numeric [{}",
        "@attribute v {{p,q}}{}x",
        "@attribute v {{p{}",
        "@attribute v {{'p'{}x}}",
        "@attribute '{}",
        "@data{}x",
        "{}x",
    ],
)
def test_a_long_line_is_refused_at_once(write, line):
    """Blanks shared out in every way would take days."""
    text = small(range(20)).replace("@attribute v numeric", line.format(" " * 5_000_000))
    with pytest.raises(DataError, match=r"line 3: .*is not a line of an ARFF file"):
        datasets.load(f"{write(text)}:kind")


@pytest.mark.parametrize("value", ["1" * 5_000_000 + "x", "'1'" + " " * 5_000_000 + "x"], ids=["digits", "blanks"])
def test_a_long_value_is_refused_at_once(write, value):
    with pytest.raises(DataError, match=r"line 6(: .* is not of its type| is damaged)"):
        datasets.load(f"{write(small([value, *range(19)]))}:kind")


@pytest.mark.parametrize("declared", ["numeric", "{p,q}"])
def test_a_column_without_any_value_can_only_be_left_out(write, declared):
    path = write(small(["?"] * 20, declared))
    with pytest.raises(DataError, match=r"all values of column 'v' are missing. Leave it out: --drop v"):
        datasets.load(f"{path}:kind?missing=mean")
    assert datasets.load(f"{path}:kind?drop=v").x_train.shape == (14, 1)


def test_a_missing_class_is_left_out(write):
    path = write(TABLE.replace("0.5, red, a", "0.5, red, ?"))
    with pytest.raises(DataError, match=r"column 'kind' has missing values in 1 of 20 rows"):
        datasets.load(f"{path}:kind?missing=mean")
    assert len(datasets.load(f"{path}:kind?missing=drop").y_train) == 13


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "nan",
        "NA",
        "",
        "inf",
        "-Infinity",
        "1e39",
        "1e400",
        "1_000",
        "1?",
        "0x10",
        "１",
        "1.5 % note",
        "-",
    ],
)
def test_a_number_that_is_none_or_too_large_is_refused_with_its_line(write, value):
    with pytest.raises(DataError, match=r"mine.arff, line 8: .* in column 'v' (is not of its type|is beyond 3.4e\+38)"):
        datasets.load(f"{write(small(['1', '2', value, *'345'] * 3))}:kind?missing=drop")


@pytest.mark.parametrize(
    "kind",
    ["string", "string % of a day", "date", "date yyyy-MM-dd % day", "DATE 'yyyy-MM-dd'", 'date "yyyy-MM-dd HH:mm"'],
)
def test_columns_of_other_types_can_only_be_left_out(write, kind):
    path = write(small(["'2020-01-02'"] * 20, kind))
    with pytest.raises(DataError, match=r"mine.arff: column 'v' is of type (string|date); expected .*--drop v"):
        datasets.load(f"{path}:kind")
    assert datasets.load(f"{path}:kind?drop=v").reading.inputs == ("x",)
    with pytest.raises(DataError, match=r"column 'v' is of type (string|date); .* as nominal$"):
        datasets.load(f"{path}:v")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\n1.5, 'light blue', b", "\n1.5, 'light blue'", f"line {FIRST + 1} has 2 values; expected 3, one for each"),
        ("\n1.5, 'light blue', b", "\n1.5, 'light blue', b, 7", f"line {FIRST + 1} has 4 values; expected 3"),
        ("\n1.5, 'light blue', b", "\n1.5, 'light blue', b, {5}", f"line {FIRST + 1} has 4 values; expected 3"),
        ("\n1.5, 'light blue', b", "\n1.5\t'light blue'\tb", f"line {FIRST + 1} has 1 value; expected 3"),
        ("\n1.5, 'light blue', b", "\n{0 1.5, 2 b}", f"line {FIRST + 1} is sparse: '{{0 1.5, 2 b}}'"),
        ("\n1.5, 'light blue', b", "\n1.5, 'light blue, b", f"line {FIRST + 1} is damaged: a quote is not closed"),
        ("\n1.5, 'light blue', b", "\n1.5, 'light' blue, b", f"line {FIRST + 1} is damaged: a quote is not closed, or"),
        ("\n1.5, 'light blue', b", "\n1.5, 'light\\'blue', b", f"line {FIRST + 1} has an escape"),
        ("\n1.5, 'light blue', b", "\n1.5, Red, b", f"line {FIRST + 1}: 'Red' in column 'colour' is not .* red, light"),
        ("\n1.5, 'light blue', b", "\n1.5, red, c", f"line {FIRST + 1}: 'c' in column 'kind' .* one of b, a, never"),
        (", b\n18.5", ", b\n18.5, 're", f"line {FIRST + 18} is damaged: a quote"),
        ("@ATTRIBUTE kind", "ATTRIBUTE kind", "line 6: .*is not a line of an ARFF file; expected @attribute NAME num"),
        (" {b, a, never}", " {b, a, never", "line 6: .*is not a line of an ARFF file"),
        (" {b, a, never}", " {b, a,, never}", "line 6: .*is not a line of an ARFF file"),
        (" {b, a, never}", " {b, a, ' a'}", "line 6 declares 'a' twice"),
        (" {b, a, never}", " {b, a, never} numeric", "line 6: .*is not a line of an ARFF file"),
        (" {b, a, never}", " {b, a} {never}", "line 6: .*is not a line of an ARFF file"),
        (" {b, a, never}", " {b, a} never}", "line 6: .*is not a line of an ARFF file"),
        (" {b, a, never}", " {b, a, ?}", r"line 6 declares \?, a missing value, as a word; write '\?' for the word"),
        (" {b, a, never}", r" {b, a, 'n\'er'}", "line 6 has an escape"),
        (" {b, a, never}", " {}", "line 6: .*is not a line of an ARFF file"),
        ("'stem length' real", "stem length real", "line 4: '@attribute stem length real' is not a line"),
        ("'stem length' real", "'stem length' integral", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' relational", "line 4: attribute 'stem length' is relational"),
        ("'stem length' real", "'stem length' real [0, 100] junk ]", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' real junk", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' string junk here", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' string 'junk'", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' date 'yyyy' junk", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "'stem length' dated", "line 4: .*is not a line of an ARFF file"),
        ("'stem length' real", "' ' real", "line 4: the name of the attribute is blank"),
        ("'stem length' real", '"" real', "line 4: the name of the attribute is blank"),
        ("'stem length' real", "colour real", "has the same heading twice: colour"),
        ("'stem length' real\n@Attribute colour", "'Unnamed: 0' real\n@attribute 'Unnamed: 0'", "has the same heading"),
        ("@data\n", "", f"line {FIRST - 1}: .*is not a line of an ARFF file"),
    ],
)
def test_a_line_that_cannot_be_right_is_refused(write, old, new, complaint):
    assert old in TABLE
    with pytest.raises(DataError, match=rf"mine.arff,? {complaint}"):
        datasets.load(f"{write(TABLE.replace(old, new, 1))}:kind")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a whole ARFF file: the line @data is missing"),
        (HEADER, "is not a whole ARFF file: the line @data is missing"),
        (f"{HEADER}@data\n% none\n\n", "has 0 rows; expected some below the line @data"),
        (CSV, ", line 1: 'stem length,colour,kind' is not a line of an ARFF file"),
        (TABLE[: -len("19.5, 'light blue', b\n") + 5], f", line {FIRST + 19} has 2 values; expected 3"),
        (TABLE[:-2] + "\n", ", line .*: '' in column 'kind' is not of its type"),
        ("@data\n1,a\n", ", line 2 has 2 values; expected 0"),
        ("@relation r\n@attribute kind {a,b}\n@data\na\nb\n", "has only the column 'kind'"),
        (TABLE.replace("red", "r\0d"), "is not text: it holds zero bytes. Save it as an ARFF file"),
    ],
    ids=["empty", "header", "rows", "csv", "cut", "cut-cell", "attributes", "one", "zeros"],
)
def test_a_file_that_is_not_whole_is_refused(write, text, complaint):
    with pytest.raises(DataError, match=rf"mine.arff ?{complaint}"):
        datasets.load(f"{write(text)}:kind")


def test_another_encoding_is_refused_with_its_line(write):
    text = TABLE.replace("red", "röt")
    with pytest.raises(DataError, match=r"mine.arff is not an ARFF file in UTF-8: line 5 has the byte 0xf6"):
        datasets.load(f"{write(text, encoding='latin-1')}:kind")
    assert "röt" in datasets.load(f"{write(text)}:kind").reading.columns[1].words


def test_a_column_that_is_missing_is_refused_with_those_there_are(write):
    with pytest.raises(
        DataError, match=r"column 'class' is missing in .*mine.arff; its columns are stem length, colour, kind$"
    ):
        datasets.load(f"{write(TABLE)}:class")
    with pytest.raises(DataError, match=r"column 'y', which is to be dropped, is missing"):
        datasets.load(f"{write(TABLE)}:kind?drop=y")


def test_numbers_may_be_classes(write):
    text = small(["1", "02"] * 10)
    csv = write("x,v,kind\n" + text.split("@data\n")[1], "mine.csv")
    data = datasets.load(f"{write(text)}:v")
    same(data, datasets.load(f"{csv}:v"))
    assert data.class_names == ("1", "02")


def test_a_measured_quantity_is_no_class(write):
    with pytest.raises(DataError, match=r"column 'stem length': targets are measurements, not classes"):
        datasets.load(f"{write(TABLE)}:stem length")


def test_rows_to_test_on_may_be_in_either_format(write):
    train, test, csv = write(TABLE), write(TABLE, "test.arff"), write(CSV, "test.csv")
    wanted = datasets.load(f"{write(CSV, 'train.csv')}:kind?test={csv}")
    for name in (f"{train}:kind?test={test}", f"{train}:kind?test={csv}", f"{train}:kind?test={csv}&delimiter=comma"):
        found = datasets.load(name)
        np.testing.assert_array_equal(found.x_test, wanted.x_test)
        np.testing.assert_array_equal(found.y_test, wanted.y_test)
    new = write(TABLE.replace("0.5, red,", "0.5, green,"), "new.arff")
    with pytest.raises(DataError, match=r"column 'colour' of .*new.arff holds 'green', which no row to train on has"):
        datasets.load(f"{train}:kind?test={new}")


@pytest.mark.parametrize("option", ["delimiter=tab", "decimal=,"])
def test_what_is_between_cells_is_no_option(write, option):
    path = write(TABLE)
    for query in (option, f"{option}&test={path}"):
        with pytest.raises(
            ValueError, match=r"mine.arff:kind is in ARFF, .* leave out the options delimiter and decimal"
        ):
            datasets.load(f"{path}:kind?{query}")
