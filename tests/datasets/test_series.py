import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tinydist import datasets
from tinydist.datasets import files, series
from tinydist.errors import DataError


@pytest.mark.parametrize(
    ("name", "train", "test", "columns", "counts"),
    [  # sizes as the archive documents them
        ("italy-power-demand", 67, 1029, 24, 2),
        ("gun-point", 50, 150, 150, 2),
    ],
)
def test_the_sets_of_the_repository(name, train, test, columns, counts):
    data = datasets.load(name)
    assert (data.x_train.shape, data.x_test.shape) == ((train, columns), (test, columns))
    assert data.classes == counts
    assert set(data.y_test.tolist()) == {0, 1}
    np.testing.assert_allclose(data.x_train.mean(axis=1), 0, atol=1e-5)  # the archive normalises each series
    np.testing.assert_allclose(data.x_train.std(axis=1, ddof=1), 1, atol=1e-2)


def test_the_split_is_the_archives_own():
    np.testing.assert_array_equal(
        datasets.load("gun-point", split=0).x_test, datasets.load("gun-point", split=1).x_test
    )


@pytest.mark.skipif(not importlib.util.find_spec("aeon"), reason="needs the data that come with aeon")
def test_other_sets_are_found_in_a_package_that_brings_them():
    assert datasets.load("arrow-head").x_train.shape == (36, 251)
    assert datasets.load("basic-motions").x_train.shape == (40, 600)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder for data of a package "bringer", which is installed; "demo" is known by the contents put there."""
    data = tmp_path / "site" / "bringer" / "datasets" / "data" / "Demo"
    data.mkdir(parents=True)
    (tmp_path / "site" / "bringer" / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(series, "PACKAGES", ("no_such_package", "bringer"))
    monkeypatch.setattr(files, "cache", lambda: tmp_path / "cache")
    contents = {"Demo_TRAIN.ts": TRAIN, "Demo_TEST.ts": TEST}
    known = []
    for name, text in contents.items():
        (data / name).write_text(text)
        (sha256,) = files.checksums([data / name]).values()
        known.append(files.SourceFile(name, sha256, name, sha256))
    monkeypatch.setitem(datasets.SOURCES, "demo", series.ArchiveSeries("demo", tuple(known)))
    return data


TRAIN = "# made up\n@problemName Demo\n@classLabel true 9 10\n@data\n1,2,3:4,5,6:10\n7,8,9:1,1,1:9\n"
TEST = "@problemName Demo\n@data\n0,0,0:5,5,5:9\n"


@pytest.mark.usefixtures("package")
def test_channels_follow_one_another_and_classes_are_in_their_order():
    data = datasets.load("demo")
    assert data.x_train.tolist() == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 1, 1, 1]]
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([1, 0], [0])


def test_a_damaged_file_of_a_package_is_refused(package):
    path = package / "Demo_TEST.ts"
    path.write_text(path.read_text()[:-4])
    with pytest.raises(DataError, match=r"Demo_TEST.ts is damaged: expected contents with sha256"):
        datasets.load("demo")


def test_a_missing_set_says_how_to_get_it(package):
    (package / "Demo_TRAIN.ts").unlink()
    assert not datasets.SOURCES["demo"].is_here()
    with pytest.raises(
        DataError,
        match=r"Demo_TRAIN.ts is missing: it is in none of .*demo, .*Demo. Inst.*pip install --no-deps no_such_package",
    ):
        datasets.load("demo")


@pytest.fixture
def pair(tmp_path):
    """Write a training and a test file; gives what --dataset takes."""

    def write(train, test, suffix=".ts"):
        for part, text in (("TRAIN", train), ("TEST", test)):
            if text is not None:
                (tmp_path / f"Mine_{part}{suffix}").write_text(text)
        return str(tmp_path / f"Mine_TRAIN{suffix}")

    return write


@pytest.mark.parametrize("univariate", ["false", "FALSE", "as said above"])
@pytest.mark.parametrize("dimensions", ["@dimensions 2\n", "@Dimension 2\n", ""])
@pytest.mark.parametrize("length", ["3", "0", ""])
def test_headers_that_agree_are_accepted(univariate, dimensions, length):
    text = (
        f"\ufeff# made up\n\n@problemName Demo\n@timeStamps FALSE\n@univariate {univariate}\n{dimensions}"
        f"@seriesLength {length}\n@equalLength true\n@missing false\n@targetLabel false\n"
        "@classLabel TRUE left  right\n  @DATA \n# in between\n 1,2,3:-4,5e0,.6: right \n\n7,8,9:0,0,0:left\n"
    )
    found = series.parse(text.encode(), Path("Demo_TRAIN.ts"))
    assert found.values.tolist() == [[1, 2, 3, -4, 5, 0.6], [7, 8, 9, 0, 0, 0]]
    assert (found.labels, found.lengths, found.classes) == (["right", "left"], (3, 3), "left right")


def test_the_class_lists_of_both_files_need_not_be_in_one_order(pair):
    said = "@classLabel true {}\n@data\n1,2:a\n3,4:b\n"
    for test in (said.format("b a"), "@data\n1,2:a\n"):
        data = datasets.load(pair(said.format("a b"), test))
        assert data.class_names == ("a", "b")
        assert str(data.reading).endswith("\n  Each series has 2 values")
        assert "2 of 2 series to train on" in str(data.reading)
    assert datasets.load(pair("@data\n1,2:a\n3,4:b\n", said.format("b a"))).class_names == ("a", "b")


def test_a_pair_of_files_is_here_if_both_are(pair):
    name = pair("@data\n1,2:a\n3,4:b\n", "@data\n1,2:a\n")
    source = datasets.find_source(name)
    assert source.is_here()
    assert source.checksums().keys() == {"Mine_TRAIN.ts", "Mine_TEST.ts"}
    Path(name).with_name("Mine_TEST.ts").unlink()
    assert not source.is_here()
    assert source.checksums().keys() == {"Mine_TRAIN.ts"}


def test_the_largest_float32_is_a_value_like_others(pair):
    bound = float(np.finfo(np.float32).max)
    data = datasets.load(pair(f"@data\n{bound!r}:a\n{-bound!r}:b\n", "@data\n1:a\n"))
    assert data.x_train.ravel().tolist() == [bound, -bound]


def test_tsv_has_the_label_first(pair):
    data = datasets.load(pair("-1\t0.5\t1.5\n1\t2.5\t3.5\n", "1\t4.5\t5.5\n", ".tsv"))
    assert data.x_train.tolist() == [[0.5, 1.5], [2.5, 3.5]]
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([0, 1], [1])


def test_labels_may_be_words(pair):
    data = datasets.load(pair("@data\n1,2:run\n3,4:rest\n", "@data\n5,6:run\n"))
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([1, 0], [1])


HEADERS = [
    ("targetlabel true", "targets are measurements, not classes"),
    ("targetLabel true", "targets are measurements, not classes"),
    ("classLabel false", "its series have no classes"),
    ("timeStamps true", "expected values alone, at equal steps of time"),
    ("univariate false", "says @univariate false, but its series have 2 values"),
    ("dimensions 3", "says @dimensions 3, but"),
    ("seriesLength 7", "says @seriesLength 7, but"),
    ("classLabel true a c", "class 'b' is none of those of @classLabel: a c"),
    ("frequency 3", "unknown header @frequency"),
]


NO_CLASS = [("?", "."), ("", ""), (" nan ", "nan"), ("NaN", "NaN")]


@pytest.mark.parametrize(
    ("train", "test", "complaint"),
    [
        ("1,2:a\n", "@data\n1,2:a\n", "Mine_TRAIN.ts is damaged: the line @data is missing"),
        ("@data\n", "@data\n1,2:a\n", "Mine_TRAIN.ts is damaged: it holds no series; fetch it again"),
        ("@data\n1,2:a\n1,2,3:b\n", "@data\n1,2:a\n", "has series of different lengths, 2 to 3 values"),
        ("@data\n1,2:3:a\n1:2,3:b\n", "@data\n1,2:a\n", "has series of different lengths"),
        ("@data\n1,?:a\n", "@data\n1,2:a\n", "Mine_TRAIN.ts, line 2 .*missing values have to be filled in first"),
        ("@data\n1,x:a\n", "@data\n1,2:a\n", "Mine_TRAIN.ts, line 2 is not a series of numbers"),
        ("@data\n1,inf:a\n", "@data\n1,2:a\n", "line 2 is not a series of numbers: a value is not finite"),
        ("@data\n1,2:a\na\n", "@data\n1,2:a\n", "is damaged: line 3 has no values beside its label"),
        ("@data\n1,2:a\n", "@data\n1:a\n", "training series have 2 values, test series 1 values. Expected X_TRAIN"),
        ("@data\n1,2:a\n", "@data\n1,2:b\n", "class 'b' of the test rows is missing among the training rows"),
        ("@data\n1,2:a\n", None, r"Mine_TEST.ts is missing; expected two files"),
        *((f"@{said}\n@data\n1,2:a\n3,4:b\n", "@data\n1,2:a\n", complaint) for said, complaint in HEADERS),
        ("@data\n1,2:3,4:a\n5,6:7,8:b\n", "@data\n1,2,3,4:a\n", "have 2 channels of 2 values, test series 4 values"),
        ("@classLabel true a b\n@data\n1:a\n2:b\n", "@classLabel true a c\n@data\n1:a\n", "@classLabel names a b"),
        ("@data\n1,2:a\n1,1e39:b\n", "@data\n1,2:a\n", "line 3 .* 1e.39 is beyond the largest number"),
        *(
            (f"@data\n1,2:{no}\n1,2:b\n", "@data\n1,2:b\n", f"line 2 has no class but '{shown}'; leave")
            for no, shown in NO_CLASS
        ),
        ("# x\n\n@data\n\n1,2:a\n1,NaN:b\n", "@data\n1,2:a\n", "line 6 .*missing values have to be filled in first"),
        ("@data\n1,2:a\n1,-inf:b\n", "@data\n1,2:a\n", "line 3 is not a series of numbers: a value is not finite$"),
        ("@data\n1:2,3,4:a\n", "@data\n1,2:a\n", "has series of different lengths, 1 to 3 values"),
        ("@data\n1,2,9:a\n1:b\n1,2:b\n", "@data\n1,2:a\n", "has series of different lengths, 1 to 3 values"),
        ("@univariate true\n@data\n1:2:a\n3:4:b\n", "@data\n1:2:a\n", "says @univariate true, but .* 2 channels of 1"),
        ("@classLabel true\n@data\n1:a\n2:b\n", "@classLabel true b c\n@data\n1:c\n", "class 'c' of the test rows is"),
        ("@data\n1,2:a\n", "@data\n1,2:a\n", "there is one class, 'a', in all training rows"),
        ("@data\n" + "".join(f"{n}:{n / 7}\n" for n in range(12)), "@data\n1:0.0\n", "targets are measurements"),
    ],
    ids=[
        *("no @data", "no series", "lengths", "channel lengths", "missing", "a word", "infinity", "no values"),
        *("test lengths", "an unknown class", "no test file", *(said for said, _ in HEADERS)),
        *(
            "other channels",
            "other class lists",
            "too large",
            *(f"no class {no!r}" for no, _ in NO_CLASS),
            "a late NaN",
            "-infinity",
        ),
        *("lengths of channels", "three lengths", "two channels", "a list of no classes", "one class", "measurements"),
    ],
)
def test_files_that_cannot_be_used(pair, train, test, complaint):
    with pytest.raises(DataError, match=complaint):
        datasets.load(pair(train, test))


def test_what_is_not_text(pair, tmp_path):
    name = pair("@data\n1,2:a\n", "@data\n1,2:a\n")
    (tmp_path / "Mine_TEST.ts").write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(DataError, match=r"Mine_TEST.ts is not text in UTF-8"):
        datasets.load(name)
