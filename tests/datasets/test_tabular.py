import hashlib

import joblib
import numpy as np
import pytest
import sklearn.datasets

from tinydist import datasets
from tinydist.datasets import tabular
from tinydist.datasets.samples import Columns
from tinydist.datasets.tabular import SklearnTable
from tinydist.errors import DataError


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("breast-cancer", (569, 30), [212, 357]),
        ("wine", (178, 13), [59, 71, 48]),
        ("digits", (1797, 64), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
    ],
)
def test_sets_are_those_that_scikit_learn_describes(name, shape, counts):
    data = datasets.load(name)
    rows = len(data.y_train) + len(data.y_test)
    assert (rows, data.x_train.shape[1]) == shape
    assert (np.bincount(data.y_train) + np.bincount(data.y_test)).tolist() == counts
    assert data.classes == len(counts)
    assert data.image_shape is None


def test_every_split_has_all_rows_once_and_its_share_of_every_class():
    whole = sklearn.datasets.load_wine()
    for split in (0, 1):
        data = datasets.load("wine", split=split)
        rows = np.concatenate([data.x_train, data.x_test])
        np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(whole.data.astype(np.float32), axis=0))
        assert np.bincount(data.y_test).tolist() == [18, 21, 15]  # 30% of 59, 71 and 48
    assert not np.array_equal(datasets.load("wine", split=0).y_test, datasets.load("wine", split=1).y_test)
    np.testing.assert_array_equal(datasets.load("wine", split=1).x_test, datasets.load("wine", split=1).x_test)


def test_columns_are_scaled_by_the_training_rows_alone():
    raw, unit, normalized = (datasets.load("wine", input) for input in ("raw", "unit", "normalized"))
    np.testing.assert_allclose(normalized.x_train.mean(axis=0, dtype=float), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.x_train.std(axis=0, dtype=float), 1, atol=1e-6)
    assert (unit.x_train.min(axis=0) == 0).all()
    assert (unit.x_train.max(axis=0) == 1).all()
    train, test = (x.astype(float) for x in (raw.x_train, raw.x_test))
    np.testing.assert_allclose(normalized.x_test, (test - train.mean(axis=0)) / train.std(axis=0), rtol=1e-3, atol=1e-5)
    few = datasets.load("wine", "normalized", train_size=20)
    np.testing.assert_allclose(few.x_train.mean(axis=0, dtype=float), 0, atol=1e-6)


def test_a_column_that_never_changes_is_shifted_to_zero():
    data = datasets.load("digits", "normalized")  # its first pixel is 0 in every image
    assert (data.x_train[:, 0] == 0).all()
    assert np.isfinite(data.x_train).all()


def test_a_table_cannot_be_held_sparse():
    with pytest.raises(ValueError, match="wine cannot be held sparse"):
        datasets.load("wine", layout="sparse")
    assert datasets.load("wine", layout="auto").layout == "dense"


def test_a_set_of_scikit_learn_is_known_by_its_contents():
    wine = sklearn.datasets.load_wine()
    whole = wine.data.astype("<f8").tobytes() + wine.target.astype("<i8").tobytes()
    assert datasets.SOURCES["wine"].checksums() == {"wine": hashlib.sha256(whole).hexdigest()}
    assert datasets.SOURCES["wine"].is_here()


def test_other_contents_than_the_known_ones_are_refused(monkeypatch):
    monkeypatch.setitem(datasets.SOURCES, "wine", SklearnTable("wine", "load_wine", "0" * 64))
    with pytest.raises(
        DataError, match="wine of this version of scikit-learn is damaged, or another data set: expected sha256 000"
    ):
        datasets.load("wine")


def test_covertype_is_read_from_scikit_learns_data_home_and_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    tabular._sklearn_table.cache_clear()
    assert not datasets.SOURCES["covertype"].is_here()
    with pytest.raises(
        DataError, match=r"is missing in scikit-learn's data home .* python -c 'from sklearn.datasets import"
    ):
        datasets.load("covertype")
    rng = np.random.default_rng(0)
    samples, targets = rng.integers(0, 99, (40, 54)).astype(float), np.repeat(np.arange(1, 5, dtype=np.int32), 10)
    (tmp_path / "covertype").mkdir()
    joblib.dump(samples, tmp_path / "covertype" / "samples_py3", compress=9)  # as scikit-learn leaves them there
    joblib.dump(targets, tmp_path / "covertype" / "targets_py3", compress=9)
    data = datasets.load("covertype")
    assert (data.x_train.shape, data.classes) == ((28, 54), 4)
    assert data.y_train.min() == 0  # its classes are numbered from 1
    assert datasets.SOURCES["covertype"].is_here()
    whole = samples.astype("<f8").tobytes() + (targets - 1).astype("<i8").tobytes()
    assert datasets.SOURCES["covertype"].checksums() == {"covertype": hashlib.sha256(whole).hexdigest()}
    tabular._sklearn_table.cache_clear()


# --- CSV ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    """Write a CSV file; gives what --dataset takes."""

    def write(text, column="kind"):
        path = tmp_path / "flowers.csv"
        path.write_text(text, encoding="utf-8")
        return f"{path}:{column}"

    return write


FLOWERS = "length,colour,kind\n" + "1.5,red,rose\n2,blue,iris\n2.5,red,rose\n3,white,iris\n" * 5


def test_a_csv_file_becomes_columns_and_classes(table):
    data = datasets.load(table(FLOWERS))
    rows, labels = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    assert rows.shape == (20, 4)  # length, then blue, red and white
    assert data.classes == 2
    expected = {(1.5, 0, 1, 0, 1), (2.0, 1, 0, 0, 0), (2.5, 0, 1, 0, 1), (3.0, 0, 0, 1, 0)}  # iris is 0, rose 1
    assert {(*row, label) for row, label in zip(rows.tolist(), labels.tolist(), strict=True)} == expected


def test_the_target_may_stand_anywhere_and_be_a_number(table):
    data = datasets.load(table("class;x\n".replace(";", ",") + "10,1\n9,2\n" * 10, "class"))
    assert sorted({(x, y) for x, y in zip(data.x_train[:, 0].tolist(), data.y_train.tolist(), strict=True)}) == [
        (1.0, 1),
        (2.0, 0),
    ]


@pytest.mark.parametrize(
    ("text", "column", "complaint"),
    [
        (FLOWERS, "species", "column 'species' is missing in .*; its columns are length, colour, kind"),
        ("a,kind\n1,x\n,y\n", "kind", "column 'a' has missing values in 1 of 2 rows .line 3."),
        ("a,kind\n1,x\n2\n", "kind", "line 3 has 1 cell; expected 2 cells"),
        ("a,kind\n1,x\ninf,y\n", "kind", "line 3: 'inf' in column 'a' is beyond 3.4e.38"),
        ("a,kind\n", "kind", "has 1 lines; expected headings and rows"),
        ("", "kind", "has 0 lines"),
        ("kind\nx\ny\n", "kind", "has only the column 'kind'; expected others"),
        ("a,a,kind\n1,2,x\n", "kind", "has the same heading twice"),
        (
            "a,kind\n" + "".join(f"{n},{n / 7}\n" for n in range(20)),
            "kind",
            "targets are measurements, not classes: 20",
        ),
        ("a,kind\n" + "1,x\n" * 9 + "1,y\n", "kind", "cannot be split into training and test rows"),
        ("a,kind\n" + "".join(f"w{n},{n % 2}\n" for n in range(101)), "kind", "column 'a' has 101 different words"),
    ],
    ids=[
        *("no such column", "an empty cell", "a short row", "infinity", "no rows", "empty", "nothing to learn from"),
        *("a heading twice", "a measured quantity", "a class of one row", "names"),
    ],
)
def test_a_csv_file_that_cannot_be_used(table, text, column, complaint):
    with pytest.raises(DataError, match=complaint):
        datasets.load(table(text, column))


def test_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "photo.csv"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=r"photo.csv is not a CSV file in UTF-8"):
        datasets.load(f"{path}:kind")


def test_a_csv_file_is_known_by_its_contents(table):
    name = table(FLOWERS)
    before = datasets.find_source(name).checksums()
    table(FLOWERS.replace("rose", "lily"))
    assert datasets.find_source(name).checksums() != before


@pytest.mark.parametrize(
    ("name", "error", "complaint"),
    [
        ("absent.csv:kind", DataError, "absent.csv is missing; check the path. Known data sets: mnist, "),
        ("absent.csv", ValueError, "unknown data set 'absent.csv'. .*FILE.csv:COLUMN"),
        ("breast_cancer", ValueError, "Did you mean 'breast-cancer'"),
        ("l\udcfc.csv:kind", ValueError, r"to be text in utf-8, .*, got 'l\\udcfc.csv:kind'; rename the file"),
    ],
)
def test_names_that_lead_nowhere(name, error, complaint):
    with pytest.raises(error, match=complaint):
        datasets.load(name)


@pytest.mark.parametrize("input", ["unit", "normalized"])
def test_a_column_that_changes_by_rounding_alone_is_constant(input):
    train = np.array([[0.1], [0.1 + 2e-17], [np.nextafter(0.1, 1)], [0.1]])
    assert (train != train[0]).any()
    scaled = Columns(train).scaled(np.array([[0.2], [0.1]]), input)
    assert not scaled.any()
