"""Names and paths of data sets: which source they stand for, and what they are called in files and labels."""

from pathlib import Path

import numpy as np
import pytest

from tinydist import datasets
from tinydist.datasets.images import CifarFolder, IdxFolder
from tinydist.datasets.options import TableOptions
from tinydist.datasets.series import SeriesFiles
from tinydist.datasets.streamed import ImageFolder
from tinydist.datasets.tabular import TextTable
from tinydist.errors import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make empty files below a folder, in which paths begin; the data are looked at by no test."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    monkeypatch.chdir(tmp_path)
    return make


@pytest.mark.parametrize(
    ("name", "file", "column"),
    [
        ("a/my.csv:kind", "a/my.csv", "kind"),
        ("my.csv:a:b.csv:c", "my.csv", "a:b.csv:c"),
        ("my.txt.gz:kind of\nflower", "my.txt.gz", "kind of\nflower"),
        ("MY.TSV:kind", "MY.TSV", "kind"),
        ("\N{GREEK SMALL LETTER PHI}.csv:größe", "\N{GREEK SMALL LETTER PHI}.csv", "größe"),
        ("my.csv.csv:kind", "my.csv.csv", "kind"),
    ],
)
def test_a_table_is_named_by_its_file_and_column(here, name, file, column):
    folder = here(file)
    assert datasets.find_source(name) == TextTable(Path(file), column, TableOptions())
    assert datasets.find_source(f"{name}?drop=x") == TextTable(Path(file), column, TableOptions(drop=("x",)))
    assert datasets.is_table(name)
    assert datasets.is_table(f"{name}?drop=x")
    assert datasets.resolved(f"{name}?drop=x") == f"{folder / file}:{column}?drop=x"
    assert datasets.resolved(f"{name}?test=t.csv") == f"{folder / file}:{column}?test={folder}/t.csv"


def test_series_and_folders_are_named_by_their_paths(here):
    folder = here("X_TRAIN.ts", "X_TRAIN.tsv", "i/a-train-images-idx3-ubyte.gz", "c/data_batch_7.bin")
    here("s/train_data_batch_2.npz", "s/data_batch_1.bin", "empty/other", "X.ts", "X_TRAIN.csv")
    images = Path("i/a-train-images-idx3-ubyte.gz")
    for name, source in (
        ("X_TRAIN.ts", SeriesFiles(Path("X_TRAIN.ts"))),
        ("X_TRAIN.tsv", SeriesFiles(Path("X_TRAIN.tsv"))),
        (str(images), IdxFolder(images)),
        ("i", IdxFolder(images)),
        ("c", CifarFolder(Path("c"))),
        ("s", ImageFolder(Path("s"))),
    ):
        assert datasets.find_source(name) == source
        assert datasets.resolved(name) == str(folder / name)
        assert not datasets.is_table(name)
    for name in ("empty", "X.ts", "X_TRAIN.csv", "absent"):
        with pytest.raises(ValueError, match=f"unknown data set {name!r}. Known: mnist, "):
            datasets.find_source(name)
    for name in ("absent_TRAIN.ts", "absent-train-images-idx3-ubyte", "absent.csv:kind"):
        with pytest.raises(
            DataError, match=r"is missing; check the path. Known data sets: mnist, fashion-mnist, .*; or a"
        ):
            datasets.find_source(name)
    assert datasets.resolved("absent") == "absent"


@pytest.mark.usefixtures("here")
def test_a_name_stays_a_name_beside_a_file_of_that_name(here):
    here("mnist")
    assert datasets.resolved("mnist") == "mnist"
    assert datasets.find_source("mnist") is datasets.SOURCES["mnist"]


@pytest.mark.parametrize("name", ["FASHION_MNIST", "fashion-mnst"])
def test_a_near_miss_is_told(name):
    with pytest.raises(ValueError, match=f"unknown data set {name!r}. Did you mean 'fashion-mnist'. Known: mnist, "):
        datasets.find_source(name)
    with pytest.raises(ValueError, match=r"unknown data set 'xyz'\. Known: "):
        datasets.find_source("xyz")


def test_a_folder_of_several_idx_sets_names_them(here):
    here("i/b-train-images-idx3-ubyte", "i/a-train-images-idx3-ubyte.gz")
    with pytest.raises(
        ValueError, match=r"^i holds several data sets; name one of them: i/a-train-images-idx3-ubyte.gz, i/b-train-"
    ):
        datasets.find_source("i")


def test_what_rows_are_called_and_which_sets_are_split_at_random(here):
    here("my.csv", "t.csv", "c/data_batch_1.bin", "i/a-train-images-idx3-ubyte", "s/train_data_batch_1.npz")
    here("X_TRAIN.ts")
    images = ("mnist", "cifar-10", "c", "i", "s")
    tables, others = ("my.csv:kind", "wine"), ("my.csv:kind?test=t.csv", "gun-point", "X_TRAIN.ts")
    assert {datasets.rows_are(name) for name in images} == {"images"}
    assert {datasets.rows_are(name) for name in (*tables, *others, "absent", "absent.csv:kind")} == {"rows"}
    assert all(datasets.find_source(name).splits for name in tables)
    assert not any(datasets.find_source(name).splits for name in (*images, *others))


@pytest.mark.parametrize(
    ("name", "short", "title"),
    [
        ("mnist", "mnist", "mnist"),
        ("a/b/my.csv:kind", "my.csv-kind", "my.csv:kind"),
        ("a/b/my.csv:the kind/sort", "my.csv-sort", "my.csv:the kind/sort"),
        ("a/my.csv:b/c:d", "my.csv-c-d", "my.csv:b/c:d"),
        ("a:b/my.csv:kind", "my.csv-kind", "my.csv:kind"),
        ("a:b/X_TRAIN.ts", "X_TRAIN.ts", "X_TRAIN.ts"),
        ("a/.hidden/", "hidden", ".hidden"),
        ("a\\b\\X_TRAIN.ts", "X_TRAIN.ts", None),
        ("a/\N{GREEK SMALL LETTER PHI}*?!", "\N{GREEK SMALL LETTER PHI}", "\N{GREEK SMALL LETTER PHI}*?!"),
        ("a/...", "data", "..."),
        ("my.csv:" + "k" * 33, "my.csv-" + "k" * 33, "my.csv:" + "k" * 33),
        ("my.csv:" + "k" * 34, "my.csv-" + "k" * 33 + "-beb2d51a", "my.csv:" + "k" * 34),
        ("my.csv:kind?drop=a%20b", "my.csv-kind-5635bd2c", "my.csv:kind?drop=a b"),
    ],
)
def test_short_names_and_titles(name, short, title):
    assert datasets.short_name(name) == short
    assert title is None or datasets.title(name) == title


def test_a_data_set_without_files_has_numbers_for_names():
    about = {"name": "mine", "input": "raw", "y_train": np.zeros(2, int), "y_test": np.zeros(2, int), "classes": 3}
    data = datasets.Dataset(x_train=np.zeros((2, 1)), x_test=np.zeros((2, 1)), **about)
    assert (data.class_names, data.column_names, data.layout) == (("0", "1", "2"), (), "dense")
