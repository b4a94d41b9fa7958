import errno
import os
import subprocess
import sys
import tempfile

import pytest

from tinydist.figures import canvas, check_figure, save
from tinydist.files import MACHINE, atomic_path, check_replaceable, temporary_folder, write_atomically


def test_replaces_the_file_and_makes_its_folder(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "first")
    write_atomically(path, "sécond\n")
    assert path.read_bytes() == "sécond\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_valid_utf_8_also_where_a_folder_is_named_in_another_encoding(tmp_path):
    name = os.fsdecode(b"l\xfc")
    write_atomically(tmp_path / "file.txt", f"{name}, lü\n")
    assert (tmp_path / "file.txt").read_text(encoding="utf-8") == "l\\udcfc, lü\n"


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half of the n")
            raise failure

    with pytest.raises(type(failure)):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with atomic_path(tmp_path / "figure.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.touch()


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    pytest.importorskip("resource", reason="elsewhere, asking for a process would end it")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_half_a_file_of_a_dead_process_is_removed_and_no_other(tmp_path, dead):
    alive = f".file.{MACHINE}-{os.getppid()}.txt"
    others = [tmp_path / name for name in (alive, f".file.elsewhere-{dead}.txt", f".other.{MACHINE}-{dead}.txt")]
    for path in (left_over := tmp_path / f".file.{MACHINE}-{dead}.txt", *others):
        path.write_text("half")
    write_atomically(tmp_path / "file.txt", "whole")
    assert not left_over.exists()
    assert all(path.exists() for path in others)


def test_temporary_folders_of_dead_processes_are_removed_and_no_other(tmp_path, dead, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours = [f"tinydist-{MACHINE}-{dead}-abc", f"joblib_memmapping_folder_{dead}_abc"]
    others = [
        f"tinydist-{MACHINE}-{os.getppid()}-abc",
        f"tinydist-elsewhere-{dead}-abc",
        f"joblib_memmapping_folder_{os.getppid()}_abc",
        "tinydist-mine-abc",
    ]
    for name in (*ours, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with temporary_folder() as folder:
        assert list(folder.iterdir()) == []
        assert {path.name for path in tmp_path.iterdir()} == {*others, folder.name}
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_killed_process_leaves_no_folder_for_good(tmp_path, monkeypatch):
    pytest.importorskip("resource", reason="elsewhere, asking for a process would end it")
    program = (
        "import os, signal, tinydist.files as files\n"
        "with files.temporary_folder() as folder:\n"
        "    (folder / 'file').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_figure_takes_the_place_of_one_of_ours_alone(tmp_path):
    path = tmp_path / "a.png"
    check_figure(path)
    save(canvas(1, 1), path)
    check_figure(path)
    by_others = path.read_bytes().replace(b"Software\0tinydist", b"Software\0dist")
    for contents in (by_others, b"", b"tinydist"):
        path.write_bytes(contents)
        with pytest.raises(
            FileExistsError, match=r"a.png exists already, and would be lost. Delete it, or name another"
        ):
            check_figure(path)


def test_other_files_are_never_replaced(tmp_path):
    check_replaceable(tmp_path / "new")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    for name in ("link", "empty"):
        with pytest.raises(FileExistsError, match=f"{name} exists already"):
            check_replaceable(tmp_path / name)
