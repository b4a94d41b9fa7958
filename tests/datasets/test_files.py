"""Files of data sets: where they are looked for, and which of them are the right ones."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from tinydist.datasets import files
from tinydist.errors import DataError


def test_folders_are_searched_in_the_order_that_the_page_on_them_says(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYDIST_DATA", raising=False)
    kept = [files.REPOSITORY_DATA / "demo", files.cache() / "demo"]
    assert files.folders("demo") == kept
    assert files.folders("demo", Path("/usr/share/demo")) == [*kept, Path("/usr/share/demo")]
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path))
    assert files.folders("demo") == [tmp_path / "demo", tmp_path, *kept]
    assert files.cache().name == "tinydist"


def test_the_first_folder_that_has_a_file_counts_and_there_the_gzipped_one(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    wanted = files.SourceFile("x.bin", "", "x.bin.gz", "")
    for path, found in (
        (second / "x.bin", second / "x.bin"),
        (second / "x.bin.gz", second / "x.bin.gz"),
        (first / "x.bin", first / "x.bin"),
        (first / "x.bin.gz", first / "x.bin.gz"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert files.find(wanted, [first, second]) == found
    assert files.find(files.SourceFile("y.bin", "", "y.bin", ""), [first, second]) is None
    (first / "y.bin").mkdir()
    assert files.find(files.SourceFile("y.bin", "", "y.bin", ""), [first, second]) is None


def test_contents_are_told_by_what_is_inside_the_gzipped_file_but_an_archive_by_itself(tmp_path):
    def sha256(contents):
        return hashlib.sha256(contents).hexdigest()

    zipped = gzip.compress(b"inside")
    for name, written, told in (
        ("x.gz", zipped, b"inside"),
        ("x.bin", zipped, zipped),
        ("x.tar.gz", zipped, zipped),
    ):
        (tmp_path / name).write_bytes(written)
        assert files.read_checked(tmp_path / name, sha256(told)) == told
        with pytest.raises(DataError, match=f"is damaged: expected contents with sha256 000, got {sha256(told)}; or"):
            files.read_checked(tmp_path / name, "000")


def test_checksums_are_those_of_the_files_as_they_are(tmp_path):
    path, absent = tmp_path / "x.csv", tmp_path / "absent.csv"
    for contents, seconds in ((b"one", 1), (b"two", 2), (b"three", 2)):  # the time has changed, or the size
        path.write_bytes(contents)
        os.utime(path, (seconds, seconds))
        assert files.checksums([path, absent]) == {"x.csv": hashlib.sha256(contents).hexdigest()}


@pytest.mark.parametrize(
    "contents",
    [gzip.compress(b"inside")[:-9], b"no gzip", gzip.compress(b"inside")[:12] + b"\xff" * 20],
    ids=["cut short", "not gzip", "altered"],
)
def test_a_damaged_gzipped_file_is_refused_with_what_to_do(tmp_path, contents):
    path = tmp_path / "x.csv.gz"
    path.write_bytes(contents)
    with pytest.raises(DataError, match=r"x.csv.gz is damaged: .*\. Fetch it again, or write it anew$"):
        files.unzipped(path)
    with pytest.raises(DataError, match=r"x.csv.gz is damaged: .*\. Put the right file there"):
        files.read_checked(path, "000")


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["part_2.bin", "part_10.bin"], r"part_1.bin is missing in here; there are part_10.bin, part_2.bin. Expected"),
        (["part_1.bin", "part_03.bin"], r"part_2.bin is missing in here; there are part_03.bin, part_1.bin. Expected"),
        ([], r"part_1.bin is missing in here. Expected files numbered from 1, without a gap$"),
    ],
)
def test_numbered_files_have_no_gap(names, complaint):
    with pytest.raises(DataError, match=complaint):
        files.numbered_from_1(names, "part_{}.bin", "here")
    names = [f"part_{number}.bin" for number in range(1, 12)]
    assert files.numbered_from_1(reversed(names), "part_{}.bin", "here") == names
