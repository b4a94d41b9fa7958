"""Tables of the user's own: whatever stands in the file is read as pandas reads it, or refused with its line."""

import codecs
import hashlib
import io
import os
import re
import string
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from tinydist import datasets
from tinydist.datasets import text_table
from tinydist.datasets.options import how
from tinydist.datasets.reading import LEFT_OUT, NUMBERS, WORDS, Column, Reading, listed, numbered
from tinydist.errors import DataError

FILE = "mine.csv"


def rows(count=20, line="{n}.5,{k}"):
    return "".join(f"{line.format(n=n, k='ab'[n % 2])}\n" for n in range(count))


TABLE = "x,kind\n" + rows()


def contents(data):
    """All rows with the names of their classes, sorted."""
    x, y = (np.concatenate(pair) for pair in ((data.x_train, data.x_test), (data.y_train, data.y_test)))
    return sorted((*row, data.class_names[label]) for row, label in zip(x.tolist(), y.tolist(), strict=True))


# --- missing values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NA", "", "-", " NA ", '"NA"'])
def test_a_missing_value_is_refused_with_its_line_and_dropped_or_filled_in_as_asked(write, word):
    path = write(TABLE.replace("\n3.5,b", f"\n{word},b"))
    with pytest.raises(
        DataError, match=r"column 'x' has missing values in 1 of 20 rows \(line 5\).*--drop x .in a name"
    ):
        datasets.load(f"{path}:kind")
    dropped = datasets.load(f"{path}:kind?missing=drop")
    assert contents(dropped) == [(n + 0.5, "ab"[n % 2]) for n in range(20) if n != 3]
    assert "1 of 20 rows left out" in str(dropped.reading)
    filled = datasets.load(f"{path}:kind?missing=mean")
    assert np.isfinite([x for x, _ in contents(filled)]).all()
    assert "filled in by the column's mean" in " ".join(str(filled.reading).split())


def test_every_spelling_of_a_missing_value_is_known(write):
    gone = [
        "NA",
        "N/A",
        "na",
        "n/a",
        "N.A.",
        "n.a.",
        "#N/A",
        "#NA",
        "<NA>",
        "NaN",
        "nan",
        "NAN",
        "NULL",
        "Null",
        "null",
        "?",
    ]
    among_numbers = ["-", "--", ".", "None", "none"]
    lines = [f"{word},{word},{'ab'[n % 2]}" for n, word in enumerate([*gone, "", *among_numbers])]
    path = write("x,word,kind\n" + "\n".join(lines) + "\n" + rows(line="{n}.5,w,{k}"))
    with pytest.raises(DataError, match=r"column 'x' has missing values in 22 of 42 rows"):
        datasets.load(f"{path}:kind")
    data = datasets.load(f"{path}:kind?drop=x&missing=mean")
    assert data.column_names == ("word=-", "word=--", "word=.", "word=None", "word=none", "word=w")
    assert "Missing values: word in 17 rows" in str(data.reading)


def test_the_mean_is_that_of_the_training_rows_in_use(write):
    known = [2.0**n for n in range(20)]  # no mean of several is one of them
    lines = [f"{'NA' if n == 3 else x},{'ab'[n % 2]}" for n, x in enumerate(known)]
    path = write("x,kind\n" + "\n".join(lines))
    for split in range(5):
        data = datasets.load(f"{path}:kind?missing=mean", train_size=6, split=split)
        used = [x for x in data.x_train[:, 0].tolist() if x in known]
        for x in (*data.x_train[:, 0].tolist(), *data.x_test[:, 0].tolist()):
            assert x in known or x == pytest.approx(np.mean(used), rel=1e-6)


def test_a_gap_late_in_a_large_table_is_found(write):
    path = write("x,kind\n" + rows(30_000, "{n}.0625,{k}") + "-,a\n")
    data = datasets.load(f"{path}:kind?missing=drop")
    assert (len(data.y_train) + len(data.y_test), data.column_names) == (30_000, ("x",))
    assert "1 of 30,001 rows left out" in str(data.reading)


def test_a_missing_class_is_never_filled_in(write):
    path = write(TABLE.replace("\n3.5,b", "\n3.5,NA"))
    for options in ("", "?missing=mean"):
        with pytest.raises(DataError, match=r"column 'kind' has missing values in 1 of 20 .* leaves these rows out$"):
            datasets.load(f"{path}:kind{options}")
    assert datasets.load(f"{path}:kind?missing=drop").class_names == ("a", "b")


def test_a_column_without_any_value_can_only_be_left_out(write):
    path = write("x,empty,kind\n" + rows(line="{n}.5,,{k}"))
    with pytest.raises(DataError, match=r"all values of column 'empty' are missing. Leave it out: --drop empty"):
        datasets.load(f"{path}:kind?missing=drop")
    assert datasets.load(f"{path}:kind?drop=empty").x_train.shape[1] == 1


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", ["", '""', "Unnamed: 0"])
def test_a_column_without_a_heading_is_no_feature_and_that_is_said(write, heading):
    data = datasets.load(f"{write(f'{heading},x,kind' + chr(10) + rows(line='{n},{n}.5,{k}'))}:kind")
    assert data.column_names == ("x",)
    assert f"Left out: {heading.strip(chr(34)) or 'column 1'} (no heading)" in str(data.reading)


def test_columns_that_may_not_be_what_they_seem_are_pointed_out(write):
    """Each of the four notes names its columns, and no other."""
    lines = [
        f"{n},{n // 2},0.5,{n // 19},{['no', 'ok'][n // 19]},{1e9 * (n // 19) + (n - 9) / 70},{1e9 + n}5,{'ab'[n % 2]}"
        for n in range(20)
    ]
    path = write("id,pair,same,one,word,far,x,kind\n" + "\n".join(lines))
    assert text_table.read_table(path, "kind", text_table.TableOptions()).notes == (
        "No missing values",
        "The same in every row, so nothing to learn from: same",
        "The same in every row but one, so next to nothing to learn from: one, word",
        "Numbers so far from all others that these look alike to a model: far",
        "Another whole number in every row: id. Row numbers or identifiers? --drop leaves them out",
    )


@pytest.mark.parametrize("input", ["normalized", "unit"])
@pytest.mark.parametrize("constant", ["0.1", "1e-30", "123456789.123", "-7", "0"])
def test_a_column_that_is_constant_in_training_is_0_everywhere(write, input, constant):
    train = write("c,x,kind\n" + rows(line=f"{constant},{{n}},{{k}}"))
    test = write("c,x,kind\n0.2,1,a\n" + rows(line=f"{constant},{{n}},{{k}}"), "test.csv")
    data = datasets.load(f"{train}:kind?test={test}", input)
    assert not data.x_train[:, 0].any()
    assert not data.x_test[:, 0].any()
    assert data.x_test[:, 1].any()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0.5\n1e39", "line 3: '1e39' in column 'x' is beyond 3.4e.38"),
        ("0.5\n-inf", "line 3: '-inf' in column 'x' is beyond"),
        ("0.5\n1e400", "line 3: '1e400' in column 'x' is beyond"),
        ("0\n1e-50\n2e-50", "line 3: '1e-50' in column 'x' is so small"),
        ("1\nabc", "line 3: 'abc' in column 'x' is neither a word nor a plain number"),
        ("1\n2 kg", "line 3: '2 kg' in column 'x' is neither .*, or leave the column out: --drop x"),
        ("1\n1_000", "line 3: '1_000' in column 'x' is neither"),
        ('"1,234,567"\n"2,345,678"', "line 2: '1,234,567' in column 'x' is neither|may have a decimal comma"),
        ('"1,234"\n"2,345"', "line 2: 1,234 in column 'x' may have a decimal comma, or one between thousands"),
        ("1 234\n2 345", "line 2: '1 234' in column 'x' is neither"),
        ("12%\n13%", "line 2: '12%' in column 'x' is neither"),
        ("$12\n$13", r"line 2: '\$12' in column 'x' is neither"),
        ("2024-01-03\n2024-01-04", "line 2: '2024-01-03' in column 'x' is neither"),
        ("3.1.2024\n4.1.2024", "line 2: '3.1.2024' in column 'x' is neither"),
        ("2024-01-03T12:30\n2024-01-04T12:30", "line 2: '2024-01-03T12:30' in column 'x' is neither"),
        ("12:30\n12:45", "line 2: '12:30' in column 'x' is neither"),
        ("12:30:05.5\n12:45:05", "line 2: '12:30:05.5' in column 'x' is neither"),
        ("12'000 €\n13'000 €", "line 2: \"12'000 €\" in column 'x' is neither"),
        ("١\n٢", "line 2: '١' in column 'x' is neither"),
        ("\n".join(f"n{n // 2}" for n in range(202)), "'x' has 101 different words in 202 rows"),
        ("\n".join(f"n{n}" for n in range(30)), "column 'x' has 30 different words in 30 rows"),
    ],
)
def test_a_column_that_cannot_be_what_it_seems_is_refused_with_its_line(write, text, complaint):
    lines = [f"{cell},{'ab'[n % 2]}" for n, cell in enumerate(text.splitlines())]
    more = 4 - len(lines) if len(lines) < 4 else 0
    lines += [f"{lines[0].rsplit(',', 1)[0]},{'ab'[n % 2]}" for n in range(more)]
    with pytest.raises(DataError, match=complaint):
        datasets.load(f"{write('x,kind' + chr(10) + chr(10).join(lines))}:kind")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("r g r g", None),
        ("r g NA r", None),
        ("r g b r", "'x' has 3 different words in 4 rows, such as 'b'; at most 100 .* Leave the column out: --drop x"),
        ("r g b r r r", None),
        ("r g b k r r", "'x' has 4 different words in 6 rows, such as 'b'; at most 100"),
    ],
)
def test_a_word_has_two_rows_on_average(write, words, complaint):
    path = write("x,kind\n" + "".join(f"{word},{'ab'[n % 2]}\n" for n, word in enumerate(words.split())))
    options = text_table.TableOptions(missing="mean")
    if complaint is None:
        (column,) = text_table.read_table(path, "kind", options).columns
        assert column.words == tuple(sorted(set(words.replace("NA", "").split())))
    else:
        with pytest.raises(DataError, match=complaint):
            text_table.read_table(path, "kind", options)


def test_a_column_may_have_a_hundred_words(write):
    path = write("x,kind\n" + "".join(f"n{n // 4:02},{'ab'[n % 2]}\n" for n in range(400)))
    assert datasets.load(f"{path}:kind").column_names == tuple(f"x=n{n:02}" for n in range(100))


@pytest.mark.parametrize("bound", [np.finfo(np.float32).max, np.finfo(np.float32).tiny], ids=["max", "tiny"])
def test_the_bounds_of_float32_are_numbers_like_others(write, bound):
    path = write("x,kind\n" + rows(line="0,{k}") + f"{float(bound)!r},a\n")
    assert text_table.read_table(path, "kind", text_table.TableOptions()).x.max() == bound


def test_truth_values_are_words(write):
    data = datasets.load(f"{write('x,kind' + chr(10) + 'True,a' + chr(10) + rows(line='False,{k}'))}:kind")
    assert data.column_names == ("x=False", "x=True")


def test_truth_values_are_words_as_they_stand_there_in_a_test_file_as_well(write):
    train = write(
        "x,kind\n" + "".join(f"{['TRUE', 'true', 'FALSE', 'maybe'][n % 4]},{'ab'[n % 2]}\n" for n in range(24))
    )
    test = write("x,kind\nTRUE,a\nFALSE,b\nTRUE,b\n", "test.csv")
    data = datasets.load(f"{train}:kind?test={test}")
    assert data.column_names == ("x=FALSE", "x=TRUE", "x=maybe", "x=true")
    np.testing.assert_array_equal(data.x_test, [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])


def test_signs_are_classes_and_words_and_gaps_among_numbers_alone(write):
    path = write(
        "x,y,kind\n" + "".join(f"{'-' if n == 3 else n * n / 7},{'-+'[n % 2]},{'+-'[n % 3 > 0]}\n" for n in range(24))
    )
    with pytest.raises(DataError, match=r"column 'x' has missing values in 1 of 24 rows \(line 5\), the first '-'"):
        datasets.load(f"{path}:kind")
    data = datasets.load(f"{path}:kind?missing=drop")
    assert (data.class_names, data.column_names) == (("+", "-"), ("x", "y=+", "y=-"))


def test_headings_may_begin_with_a_number_sign(write):
    path = write("# made by hand\n#id,x,kind\n" + "".join(f"{n * n},{n / 3},{'ab'[n % 2]}\n" for n in range(24)))
    assert datasets.load(f"{path}:kind").column_names == ("#id", "x")


def test_raw_numbers_of_which_float32_leaves_little_are_refused(write):
    path = write("time,kind\n" + "".join(f"{1_700_000_000 + n},{'ab'[n % 2]}\n" for n in range(40)))
    with pytest.raises(DataError, match=r"column 1 of the input changes by \d+ only, beside 1.7e\+09: float32"):
        datasets.load(f"{path}:kind")
    assert len(np.unique(datasets.load(f"{path}:kind", "normalized").x_train)) > 20


@pytest.mark.parametrize("query", ["", "?decimal=%2C"])
def test_beside_decimal_commas_a_point_is_none(write, query):
    lines = [f"{n},5;{n + 1}.234;{'ab'[n % 2]}" for n in range(20)]
    with pytest.raises(DataError, match=r"line 2: '1.234' in column 'y' is neither a word nor a plain number"):
        datasets.load(f"{write('x;y;kind' + chr(10) + chr(10).join(lines))}:kind{query}")
    data = datasets.load(f"{write('x;y;kind' + chr(10) + chr(10).join(lines).replace('.', ''))}:kind{query}")
    assert data.x_train.max() == 20234
    assert "Decimal point in its numbers: the comma" in str(data.reading)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((",5", 0.5), ("+2,5", 2.5), ("-1,5e3", -1500), ("2,25E-1", 0.225), ("0,500", 0.5), ("1234,567", 1234.567)),
        *((word, None) for word in ("1,234", "-1,234", "+12,345", "123,456")),
    ],
)
def test_one_comma_that_cannot_be_between_thousands_is_a_decimal_point(write, word, value):
    path = write("x;kind\n" + rows(line="{n};{k}").replace("\n3;", f"\n{word};"))
    if value is None:
        with pytest.raises(
            DataError, match=rf"line 5: {re.escape(word)} in column 'x' may have a decimal comma, or on"
        ):
            datasets.load(f"{path}:kind")
    else:
        x = text_table.read_table(path, "kind", text_table.TableOptions()).x
        assert x[:, 0].tolist() == [0, 1, 2, value, *range(4, 20)]


def test_numbers_beside_a_gap_may_have_any_spelling(write):
    words = ["+4", "-4", "5.", ".5", "1e3", "-1.5E-2", "+.5e+1", "123456789012345678901234567890"]
    path = write("x,kind\n-,a\n" + "".join(f"{word},{'ab'[n % 2]}\n" for n, word in enumerate(words)))
    x = text_table.read_table(path, "kind", text_table.TableOptions(missing="drop")).x
    assert x[:, 0].tolist() == [float(word) for word in words]


def test_commas_in_classes_and_in_columns_left_out_are_nobodys_decimal_points(write):
    path = write("id;;x;kind\n" + "".join(f"1,234;1,5;{n % 7};{n % 2 + 1},500\n" for n in range(24)))
    data = datasets.load(f"{path}:kind?drop=id")
    assert (data.column_names, data.class_names) == (("x",), ("1,500", "2,500"))
    assert data.reading.notes == ("No missing values",)


def test_the_classes_may_stand_below_a_heading_that_pandas_made_up(write):
    path = write("Unnamed: 0,x\n" + rows(line="{k},{n}.5"))
    assert datasets.load(f"{path}:Unnamed: 0").class_names == ("a", "b")


def test_codes_with_commas_are_no_numbers(write):
    path = write("x,y,kind\n" + "".join(f'{n},"1,{n % 3}",{"ab"[n % 2]}\n' for n in range(24)))
    with pytest.raises(DataError, match=r"line 2: 1,0 in column 'y' may have a decimal comma"):
        datasets.load(f"{path}:kind")
    assert set(datasets.load(f"{path}:kind?decimal=%2C").x_train[:, 1]) == {1.0, np.float32(1.1), np.float32(1.2)}


def test_numbers_are_read_to_the_last_bit(write):
    numbers = np.random.default_rng(0).normal(size=40) * 10.0 ** np.arange(-20, 20)
    path = write("x,z,kind\n" + "".join(f"{x!r},{n % 3},{'ab'[n % 2]}\n" for n, x in enumerate(numbers.tolist())))
    options = text_table.TableOptions()
    table = text_table.read_table(path, "kind", options)
    np.testing.assert_array_equal(table.x[:, 0], numbers)
    assert "Numbers so far from all others that these look alike to a model: x" in table.notes


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["01", "1", "1.0", "2"], ("01", "1", "1.0", "2")),
        (["10", "9"], ("9", "10")),
        ([" yes ", "no"], ("no", "yes")),
        (["True", "true"], ("True", "true")),
        (["1e3", "1000"], ("1000", "1e3")),
        (["none", "None", "-nan"], ("-nan", "None", "none")),
        (['"a,b"', '"say ""no"""'], ("a,b", 'say "no"')),
    ],
)
def test_classes_are_the_words_that_stand_there(write, words, names):
    path = write("x,kind\n" + "".join(f"{n}.5,{words[n % len(words)]}\n" for n in range(40)))
    assert datasets.load(f"{path}:kind").class_names == names


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (["same"] * 20, "column 'kind': there is one class, 'same', in all training rows"),
        (["a"] * 19 + ["b"], "class 'b' has one row, in line 21"),
        ([f"{n / 7:.3f}" for n in range(11)] * 2, "column 'kind': .* not classes: 11 different numbers such as 0.143"),
        ([str(n) for n in range(20)], "has 20 different values in 20 rows"),
    ],
)
def test_a_target_that_is_no_class_is_refused(write, labels, complaint):
    path = write("x,kind\n" + "".join(f"{n}.5,{label}\n" for n, label in enumerate(labels)))
    with pytest.raises(DataError, match=complaint):
        datasets.load(f"{path}:kind")


def test_half_as_many_classes_as_rows_are_still_classes(write):
    """With a test file, even a class of one row is."""
    path, options = write("x,kind\n1,a\n2,b\n4,a\n8,b\n"), text_table.TableOptions()
    table = text_table.read_table(path, "kind", options)
    assert (table.y.tolist(), table.x.dtype) == (["a", "b", "a", "b"], np.float64)
    path = write("x,kind\n1,a\n2,a\n4,a\n8,b\n", "train.csv")
    assert datasets.load(f"{path}:kind?test={path}").y_test.tolist() == [0, 0, 0, 1]
    with pytest.raises(DataError, match="class 'b' has one row, in line 5"):
        datasets.load(f"{path}:kind")
    with pytest.raises(DataError, match="column 'kind' has 3 different values in 5 rows"):
        text_table.read_table(write("x,kind\n1,a\n2,b\n4,a\n8,b\n9,c\n"), "kind", options)


# --- the form of the file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        *(lambda text, d=d: text.replace(",", d) for d in (";", "\t", "|", " ", "   ")),
        lambda text: text.replace(".", ",").replace(",5,", ",5;").replace("x,", "x;"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: "# a comment\n\n" + text,
        lambda text: text.replace("\n2.5", "\n\n2.5").replace("\n9.5", "\n# more\n9.5") + "\n\n",
        lambda text: text.replace(",", " , "),
        lambda text: re.sub(r"([^,\n]+)", r'"\1"', text),
        lambda text: re.sub(r"([^,\n]+)", r' "\1"', text),
        lambda text: re.sub(r"(.+)", r"  \1 ", text.replace(",", "   ")),
        lambda text: text.rstrip("\n"),
        lambda text: re.sub(r"^", ",", text, flags=re.MULTILINE).removesuffix(","),
    ],
    ids=[
        *(";", "tab", "|", "blank", "blanks", "decimal comma", "crlf", "cr", "bom"),
        *(
            "comment above",
            "blank lines and comments",
            "blanks around",
            "quotes",
            "quotes after blanks",
            "blanks at both ends",
            "no last line end",
            "a nameless column",
        ),
    ],
)
def test_the_same_table_in_other_spellings(write, change):
    expected = [(n + 0.5, "ab"[n % 2]) for n in range(20)]
    assert contents(datasets.load(f"{write(change(TABLE))}:kind")) == expected


def test_a_cell_may_be_of_any_length(write):
    """Python's own reader of CSV stops at 131,072 characters unless told otherwise."""
    path = write("x,kind,text\n" + rows(line="{n}.5,{k},-").replace("\n3.5,b,-", f"\nNA,b,{'long' * 50_000}"))
    with pytest.raises(DataError, match=r"column 'x' has missing values in 1 of 20 rows \(line 5\)"):
        datasets.load(f"{path}:kind?drop=text")


def test_lines_that_are_empty_or_comments_are_left_out_and_that_is_said(write):
    lines = ["x,y,kind", *["1,2,a", "3,4,b"] * 5, "", "# a remark", ",NA,", "#,,", "5,6,a"]
    data = datasets.load(f"{write(chr(10).join(lines))}:kind")
    assert data.reading.notes[0] == "4 rows left out, which are empty or comments (lines 12, 13, 14, 15)"
    assert len(contents(data)) == 11
    bare = [line for line in lines if "#" not in line]  # then all that its first column holds are numbers
    data = datasets.load(f"{write(chr(10).join(bare))}:kind")
    assert data.reading.notes[0] == "2 rows left out, which are empty or comments (lines 12, 13)"
    for gap in ("#,,a", ",6,", "5,,"):
        with pytest.raises(DataError, match=r"has missing values in 1 of 12 rows \(line 17\)"):
            datasets.load(f"{write(chr(10).join([*lines, gap]))}:kind")


def test_a_gzipped_table_and_one_with_tabs(write):
    assert contents(datasets.load(f"{write(TABLE, 'mine.csv.gz')}:kind")) == contents(
        datasets.load(f"{write(TABLE)}:kind")
    )
    tabs = write(TABLE.replace(",", "\t"), "mine.tsv")
    assert datasets.load(f"{tabs}:kind").column_names == ("x",)
    (tabs.parent / "mine.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"mine.csv.gz is damaged"):
        datasets.load(f"{tabs.parent / 'mine.csv.gz'}:kind")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            TABLE.replace("\n7.5,b", "\n7.5"),
            "line 9 has 1 cell; expected 2 cells, one for each heading. Cells are sep",
        ),
        (TABLE.replace("\n7.5,b", "\n7.5,b,c"), "line 9 has 3 cells; expected 2 cells"),
        ("x,kind\n" + rows(line="1,{n}.5,{k}"), "line 2 has 3 cells; expected 2 cells.*does the first column lack a h"),
        (TABLE.replace("x,", "x,x,").replace(".5,", ".5,1,"), "has the same heading twice: x"),
        (TABLE.replace("\n18.5,a", '\n"18.5,a'), "line 20 has 1 cell; expected 2 cells"),
        (TABLE.replace("\n19.5,b", '\n19.5,"b'), "is not a CSV file: .*EOF inside string starting at row 19$"),
        ("1.5,kind\n" + rows(), "seems to have no headings: its first line holds the number 1.5"),
        (TABLE.replace("\n7.5", "\n7.5\0"), "is not text: it holds zero bytes"),
        ("# x,y\n" + rows(), "column 'kind' is missing in .*; line 2 was taken for its headings"),
        (TABLE.replace(",", "&"), r"column 'kind' is missing in .*--delimiter sets another\)$"),
    ],
    ids=["short", "long", "row names", "twice", "quote", "last quote", "no headings", "zero", "comment", "delimiter"],
)
def test_a_file_that_is_not_a_table_is_refused_with_its_line(write, text, complaint):
    with pytest.raises(DataError, match=complaint):
        datasets.load(f"{write(text)}:kind")


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        (TABLE.replace("\n7.5,b", "\n7.5,é").encode("latin-1"), "line 9 has the byte 0xe9.* -f LATIN1 -t UTF-8"),
        (("\r" + TABLE.replace("\n", "\r")).encode() + b"\xe9", "line 23 has the byte 0xe9"),
        (codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"), "line 1 has the byte 0xff.* -f UTF-16 -t UTF-8"),
        (codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), "line 1 has the byte 0xfe.* -f UTF-16 -t UTF-8"),
    ],
    ids=["latin-1", "cr", "utf-16-le", "utf-16-be"],
)
def test_another_encoding_is_refused_with_its_line(tmp_path, contents, complaint):
    path = tmp_path / "mine.csv"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=f"not a CSV file in UTF-8: {complaint}"):
        datasets.load(f"{path}:kind")


def test_a_table_that_is_kept_for_other_splits_cannot_be_altered(write):
    table = text_table.read_table(write(TABLE), "kind", text_table.TableOptions())
    for array in (table.x, table.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


@pytest.mark.parametrize("changed", [{"size": 1}, {"time": 10**9}], ids=["size", "time"])
def test_a_file_that_has_changed_is_read_again(write, changed):
    path = write(TABLE)
    datasets.load(f"{path}:kind")
    before = path.stat().st_mtime_ns
    write(TABLE.replace("\n3.5,b", "\n8.5,b") + "\n" * changed.get("size", 0))
    os.utime(path, ns=(before, before + changed.get("time", 0)))
    assert sorted(x for x, _ in contents(datasets.load(f"{path}:kind"))).count(8.5) == 2


def test_lines_are_those_of_the_file_after_cells_of_several_lines(write):
    path = write('x,word,kind\n1,"a\nb\nc",a\n\n2,"a\nb\nc",b\n3,"a\nb\nc",a\nNA,"a\nb\nc",b\n')
    with pytest.raises(DataError, match=r"column 'x' has missing values in 1 of 4 rows \(line 12\)"):
        datasets.load(f"{path}:kind")


# --- options ----------------------------------------------------------------------------------------------------------


def test_options_in_the_name_are_those_of_the_reader(write):
    path = write("id&x&kind\n" + rows(line="{n}&{n},5&{k}"))
    data = datasets.load(f"{path}:kind?delimiter=%26&decimal=%2C&drop=id")
    assert data.column_names == ("x",)
    assert contents(data) == [(n + 0.5, "ab"[n % 2]) for n in range(20)]
    assert datasets.with_options(f"{path}:kind", ["id"], delimiter="&", decimal=",", missing=None) == (
        f"{path}:kind?drop=id&delimiter=%26&decimal=%2C"
    )


def test_options_stand_in_a_name_and_come_back():
    options = text_table.TableOptions(
        drop=("a&b", "c=d", "é +%", "x/y"), missing="drop", delimiter="\t", decimal=",", test="../my test.csv"
    )
    query = "?drop=a%26b&drop=c%3Dd&drop=%C3%A9%20%2B%25&drop=x/y&missing=drop&delimiter=%09&decimal=%2C"
    assert str(options) == f"{query}&test=../my%20test.csv"
    assert datasets.split_name(f"my.csv:kind{options}") == ("my.csv:kind", options)
    assert datasets.split_name("my.csv:kind?test") == ("my.csv:kind?test", text_table.TableOptions())
    assert datasets.split_name("my.csv:kind") == ("my.csv:kind", text_table.TableOptions())
    assert str(text_table.TableOptions()) == ""
    assert datasets.split_name("my.csv:kind?drop=&test=tab")[1] == text_table.TableOptions(drop=("",), test="tab")
    assert datasets.with_options("my.csv:kind?missing=drop", ["a b"]) == "my.csv:kind?missing=drop&drop=a%20b"
    assert datasets.with_options("my.csv:kind") == "my.csv:kind"
    assert datasets.with_options("my.csv:kind", test="a/b c.csv") == "my.csv:kind?test=a/b%20c.csv"
    assert how("drop", "a b") == "--drop 'a b' (in a name ?drop=a%20b)"  # as a shell takes it


@pytest.mark.parametrize(
    ("name", "sign"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|"), ("blank", " "), (":", ":")]
)
def test_delimiters_have_names_that_are_easy_to_type(name, sign):
    assert datasets.split_name(f"my.csv:kind?delimiter={name}")[1].delimiter == sign


def test_a_question_mark_may_be_part_of_a_column(write):
    path = write(TABLE.replace("kind", "kind?"))
    assert datasets.load(f"{path}:kind?").class_names == ("a", "b")
    assert datasets.load(f"{path}:kind??missing=drop").class_names == ("a", "b")
    path = write(TABLE.replace("kind", "a:b/c"))
    assert datasets.load(f"{path}:a:b/c").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("missing=zero", "missing: expected one of refuse, drop, mean, got 'zero'"),
        ("missing=drop&nothing=1", "unknown option 'nothing'"),
        ("missing=drop&missing=mean", "option 'missing' stands twice"),
        ("missing=drop?drop=x", r"missing: expected one of refuse, drop, mean, got 'drop\?drop=x'"),
        ("missing=drop&nothing", "bad query field: 'nothing'"),
        ("delimiter=ab", "delimiter: expected one character"),
        ("delimiter=%22", "delimiter: expected one character"),
        ("decimal=x", "decimal: expected . or ,"),
        ("decimal=%2C&delimiter=comma", "delimiter and decimal cannot both be ','"),
    ],
)
def test_options_that_cannot_be(write, query, complaint):
    with pytest.raises(ValueError, match=complaint):
        datasets.load(f"{write(TABLE)}:kind?{query}")


def test_options_are_for_tables_alone():
    for name in ("mnist", "wine", "X_TRAIN.ts"):
        with pytest.raises(
            ValueError, match=r"is not of the form FILE.csv:COLUMN or FILE.arff:COLUMN; the options drop"
        ):
            datasets.load(f"{name}?missing=drop")


def test_a_column_to_drop_must_be_there(write):
    with pytest.raises(DataError, match=r"column 'y', which is to be dropped, is missing"):
        datasets.load(f"{write(TABLE)}:kind?drop=y")
    with pytest.raises(DataError, match=r"'kind' .* holds the classes; it cannot be dropped"):
        datasets.load(f"{write(TABLE)}:kind?drop=kind")


def test_names_for_files_and_labels_are_short_and_differ_with_the_options(write):
    path = write(TABLE)
    names = [f"{path}:kind{query}" for query in ("", "?missing=drop", "?missing=mean")]
    assert len({datasets.short_name(name) for name in names}) == 3
    assert datasets.short_name(names[0]) == "mine.csv-kind"
    assert all(not set(datasets.short_name(name)) & set("/?&=") for name in names)
    assert datasets.title(names[1]) == "mine.csv:kind?missing=drop"


# --- a test file of one's own -----------------------------------------------------------------------------------------


def test_rows_to_test_on_come_from_their_file_in_any_order_of_columns(write):
    train = write(
        "x,colour,kind\n"
        + rows(line="{n}.5,red,{k}").replace("\n4.5,red", "\n4.5,blue").replace("\n5.5,red", "\n5.5,blue")
    )
    test = write("kind,colour,x\na,red,7\nb,red,8\n", "test.csv")
    name = f"{train}:kind?test={test}"
    assert not datasets.find_source(name).splits
    data = datasets.load(name, split=3)
    assert (data.x_test.tolist(), data.y_test.tolist()) == ([[7, 0, 1], [8, 0, 1]], [0, 1])
    assert len(data.y_train) == 20
    assert data.reading.notes == ("No missing values", "test.csv: no missing values")  # rows to test on teach nothing
    before = datasets.find_source(name).checksums()
    write("kind,colour,x\na,red,7\nb,red,9\n", "test.csv")
    assert datasets.find_source(name).checksums() != before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x,kind\n1,a\n2,c\n1,a\n2,c\n", "class 'c' of the test rows is missing among the training rows"),
        ("y,kind\n1,a\n2,b\n1,a\n2,b\n", "columns of .*test.csv differ from those to train on: missing x; unknown y"),
        ("kind\na\nb\n", "test.csv has only the column 'kind'"),
        ("x,y,z,kind\n1,2,3,a\n2,2,3,b\n", "test.csv differ from those to train on: unknown y, z. Give"),
        ("x,kind\nw,a\nw,b\nw,a\nw,b\n", "column 'x' holds numbers to train on, and words in .*test.csv"),
        (None, r"the test file .*test.csv is missing"),
    ],
)
def test_a_test_file_that_does_not_agree_is_refused(write, text, complaint):
    train = write(TABLE)
    if text:
        write(text, "test.csv")
    with pytest.raises(DataError, match=complaint):
        datasets.load(f"{train}:kind?test={train.with_name('test.csv')}")


def test_a_word_to_test_on_must_be_one_to_train_on(write):
    train = write("colour,kind\n" + rows(line="red,{k}").replace("red", "blue", 10))
    test = write("colour,kind\nred,a\ngreen,b\n", "test.csv")
    with pytest.raises(DataError, match=r"column 'colour' of .*test.csv holds 'green', which no row to train on has"):
        datasets.load(f"{train}:kind?test={test}")


@pytest.mark.parametrize("split", [0, 1, 17])
def test_the_split_is_scikit_learns_by_its_number(write, split):
    path = write("x,kind\n" + rows(40))
    data = datasets.load(f"{path}:kind", **({"split": split} if split else {}))  # 0 unless told otherwise
    expected = train_test_split(
        np.arange(40) + 0.5, np.arange(40) % 2, test_size=0.3, random_state=split, stratify=np.arange(40) % 2
    )
    for found, wanted in zip((data.x_train[:, 0], data.x_test[:, 0], data.y_train, data.y_test), expected, strict=True):
        assert found.tolist() == wanted.tolist()
    source = datasets.find_source(f"{path}:kind")
    assert source.splits
    assert source.is_here()
    assert source.checksums() == {"mine.csv": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_classes_that_are_too_many_for_a_split(write):
    path = write("x,kind\n" + "".join(f"{n}.5,c{n % 10}\n" for n in range(20)))
    with pytest.raises(DataError, match=r"the rows of .*mine.csv cannot be split into training and test rows: .*6"):
        datasets.load(f"{path}:kind")


# --- the reading ------------------------------------------------------------------------------------------------------


def test_the_reading_says_what_was_used(write):
    path = write(
        "id,x,colour,kind\n" + rows(line="{n},{n}.5,red,{k}").replace("5,5.5", "5,NA").replace("15,15.5", "15,NA")
    )
    data = datasets.load(f"{path}:kind?drop=id&missing=drop", train_size=10)
    said = " ".join(str(data.reading).split())
    for words in (
        "10 of 12 rows to train on, 6 to test on; drawn at random by the seed, 30% of each class to test on",
        "Columns of numbers, 1: x",
        "Columns of words, 1, each word a column for a model: colour (red)",
        "Left out: id (as asked)",
        "Missing values: x in 2 rows (lines 7, 17); 2 of 20 rows left out",
    ):
        assert words in said
    assert sum(train for _, train, _ in data.reading.classes) == 10


def test_a_reading_prints_as_text():
    reading = Reading(
        name="mine.csv:kind",
        rows="rows",
        used=1_000,
        there=1_200,
        test=300,
        split="drawn at random",
        classes=(("a", 1_000, 299), ("b", 0, 1)),
        columns=(
            Column("x", NUMBERS),
            Column("colour", WORDS, ("red", "blue")),
            Column("id", LEFT_OUT, why="as asked"),
        ),
        notes=(f"A note that is too long for one line {'of many words ' * 4}ends in: re-reading",),
    )
    assert reading.inputs == ("x", "colour=red", "colour=blue")
    assert str(reading).splitlines() == [
        "Data: mine.csv:kind",
        "  1,000 of 1,200 rows to train on, 300 to test on; drawn at random",
        "  Classes (to train on + to test on), 2: a (1,000 + 299), b (0 + 1)",
        "  Columns of numbers, 1: x",
        "  Columns of words, 1, each word a column for a model: colour (red, blue)",
        "  Left out: id (as asked)",
        f"  A note that is too long for one line {'of many words ' * 4}ends in:",
        "    re-reading",
        "  No rows to train on of class b",
    ]


def test_long_lists_are_cut_short():
    names = [str(n) for n in range(31)]
    assert listed(names[:30]) == ", ".join(names[:30])
    assert listed(names * 40) == ", ".join(names[:30]) + ", … (1,240 in all)"
    assert (numbered("line", [3]), numbered("line", [3, 5])) == ("line 3", "lines 3, 5")
    assert numbered("line", range(10)) == "lines 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert numbered("line", range(11)) == "lines 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (11 in all)"


def test_built_in_data_have_the_names_of_their_authors():
    wine, cancer = datasets.load("wine"), datasets.load("breast-cancer")
    assert cancer.class_names == ("malignant", "benign")
    assert wine.class_names == ("class_0", "class_1", "class_2")
    assert wine.column_names[0] == "alcohol"
    assert "Columns of numbers, 13: alcohol" in str(wine.reading)
    mnist = datasets.load("mnist", train_size=3_000)
    assert "3,000 of 60,000 images to train on, 10,000 to test on" in str(mnist.reading)
    assert mnist.class_names == tuple(string.digits)


# --- ugly tables ------------------------------------------------------------------------------------------------------

SOME_NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(repr), st.integers(-1000, 1000).map(str), st.sampled_from(["+4", "5."])
)
SOME_WORDS = ["red", "blue", "None", "none", "True", "it's", "#1", "a\nb", '"', "é", "-", "1 or 2"]
ODD = st.sampled_from(["NA", "", "?", "-", "N/A", "nan", "0x10", "1_0", "1,5", "inf", "12%", "1.2.3", "1 2"])


@st.composite
def columns(draw):
    """Draw 12 cells of one kind; one column of four has one that is of another."""
    few = st.sampled_from(draw(st.lists(st.sampled_from(SOME_WORDS), min_size=2, max_size=3)))
    cells = draw(st.lists(draw(st.sampled_from([SOME_NUMBERS, few])), min_size=12, max_size=12))
    if draw(st.integers(0, 3)) == 0:
        cells[draw(st.integers(0, 11))] = draw(ODD)
    return cells


READ = Counter[bool]()


@settings(max_examples=150, derandomize=True)
@given(
    columns(),
    columns(),
    st.permutations(["a", "b", "01", "1"] * 3),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([0, 1]),
)
def ugly_tables_are_read_as_pandas_reads_them_or_refused(folder, x, y, kind, delimiter, end, quoting):
    frame = pd.DataFrame({"x": x, "y": y, "kind": kind})
    path = folder / "ugly.csv"
    text = frame.to_csv(index=False, sep=delimiter, lineterminator=end, quoting=quoting)
    path.write_text(text, encoding="utf-8", newline="")
    text_table._read.cache_clear()
    try:
        table = text_table.read_table(path, "kind", text_table.TableOptions())
    except DataError:
        READ[False] += 1
        return
    READ[True] += 1
    words = pd.read_csv(io.StringIO(text, newline=""), sep=delimiter, dtype=str, keep_default_na=False)
    assert table.y.tolist() == words["kind"].str.strip().tolist()
    at = 0
    for column in table.columns:
        found = table.x[:, at : at + len(column.inputs)]
        at += len(column.inputs)
        stripped = words[column.name].str.strip()
        if column.kind == "numbers":
            decimal = "," if any("comma" in note for note in table.notes) else "."
            np.testing.assert_array_equal(found[:, 0], [float(word.replace(decimal, ".")) for word in stripped])
        else:
            np.testing.assert_array_equal(found, pd.get_dummies(stripped).to_numpy(dtype=float))
            assert not stripped.isin(text_table.MISSING_WORDS).any()


def test_ugly_tables_are_read_as_pandas_reads_them_or_refused(tmp_path):
    READ.clear()
    ugly_tables_are_read_as_pandas_reads_them_or_refused(tmp_path)
    assert min(READ[True], READ[False]) >= 20
