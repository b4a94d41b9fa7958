"""Images that stay on disk, in files of the real form that are made here."""

import contextlib
import functools
import io
import random
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from tinydist import build_model, datasets
from tinydist.batches import Batching
from tinydist.errors import DataError
from tinydist.optim import SGD
from tinydist.training import train


def images(count, seed, size=4):
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 4, count)
    pixels = rng.integers(0, 200, (count, 3 * size * size)) + 18 * labels[:, None]
    return pixels.astype(np.uint8), labels


@pytest.fixture
def folder(tmp_path):
    """Make a folder of so many images in each training file, in the form of the downsampled ImageNet."""

    def make(*counts, test=7, size=4, save=np.savez_compressed):
        path = tmp_path / f"images-{'-'.join(map(str, counts))}"
        path.mkdir()
        for number, count in enumerate(counts, start=1):
            data, labels = images(count, number, size)
            save(path / f"train_data_batch_{number}.npz", data=data, labels=labels, mean=data.mean(axis=0))
        data, labels = images(test, 99, size)
        save(path / "val_data.npz", data=data, labels=labels)
        return path

    return make


def test_streamed_rows_are_those_of_the_files_in_their_order(folder):
    path = folder(5, 8, 3)
    data = datasets.stream(str(path), "unit")
    expected = np.concatenate([images(count, seed)[0] for count, seed in ((5, 1), (8, 2), (3, 3))])
    for size in (1, 3, 5, 7, 16, 100):
        chunks = list(data.x_train.chunks(size))
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        np.testing.assert_allclose(np.concatenate(chunks), expected / 255, rtol=1e-6)
    assert data.x_train.shape == (16, 48)
    assert (data.image_shape, data.classes) == ((3, 4, 4), 3)
    assert data.y_train.min() == 0  # the files count from 1
    assert data.x_test.shape == (7, 48)


def test_the_tenth_file_comes_after_the_ninth(folder):
    path = folder(*range(1, 12))
    rows = np.concatenate(list(datasets.stream(str(path)).x_train.chunks(50)))
    np.testing.assert_array_equal(rows[:1], images(1, 1)[0])
    np.testing.assert_array_equal(rows[-11:], images(11, 11)[0])


@pytest.mark.parametrize("input", datasets.INPUTS)
def test_streamed_and_in_memory_are_the_same_data(folder, input):
    path = str(folder(5, 8))
    loaded, streamed = datasets.load(path, input), datasets.stream(path, input)
    for name in ("x_train", "x_test"):
        rows = np.concatenate(list(getattr(streamed, name).chunks(4)))
        np.testing.assert_array_equal(rows, getattr(loaded, name))
    if input == "normalized":
        assert loaded.x_train.mean(dtype=float) == pytest.approx(0, abs=1e-5)
        assert loaded.x_train.std(dtype=float) == pytest.approx(1, abs=1e-5)


def test_a_train_size_may_end_in_the_middle_of_a_file(folder):
    data = datasets.stream(str(folder(5, 8)), train_size=6)
    assert [len(chunk) for chunk in data.x_train.chunks(4)] == [4, 2]
    assert len(data.y_train) == 6
    head = data.head(3)
    assert (head.x_train.shape, head.x_test.shape, head.y_test.shape) == ((3, 48), (3, 48), (3,))
    with pytest.raises(ValueError, match="images-5-8 has 13 training rows: expected 1 to 13, got 14"):
        datasets.stream(str(data.name), train_size=14)


def test_the_step_over_streamed_chunks_is_exactly_the_full_batch_step(folder):
    """In float64, where rounding is far below the tolerance."""
    path = str(folder(5, 8, 3))
    loaded, streamed = datasets.load(path, "unit"), datasets.stream(path, "unit")
    weights = []
    for data, batching in ((loaded, Batching()), (streamed, Batching(chunk_size=6))):
        model = build_model("Abs-L2", in_features=48, hidden=5, classes=3)
        for parameter in model.parameters():
            parameter.data = parameter.data.astype(np.float64)
        train(model, SGD(model.parameters(), 0.1), data, 5, batching=batching)
        weights.append(model.state_dict())
    for name, weight in weights[0].items():
        np.testing.assert_allclose(weights[1][name], weight, rtol=1e-6, atol=1e-9)


def test_batches_take_the_rows_as_they_lie_on_disk(folder):
    data = datasets.stream(str(folder(5, 8)))
    steps = [list(step) for step in Batching(batch_size=6).steps(data.x_train, data.y_train, 0)]
    assert [len(labels) for ((_, labels),) in steps] == [6, 6, 1]
    np.testing.assert_array_equal(
        np.concatenate([x for ((x, _),) in steps]), np.concatenate(list(data.x_train.chunks(9)))
    )
    np.testing.assert_array_equal(np.concatenate([labels for ((_, labels),) in steps]), data.y_train)


def test_all_rows_at_once_are_refused(folder):
    data = datasets.stream(str(folder(5)))
    with pytest.raises(ValueError, match="give a chunk_size, or a batch_size"):
        list(next(Batching().steps(data.x_train, data.y_train, 0)))


def test_memory_does_not_grow_with_the_data(folder):
    """Ten times the images: the peak of an epoch, all that NumPy allocates, stays where it was but for the labels."""
    peaks = {}
    for count in (600, 6_000):
        path = str(folder(count, test=50, size=16))
        model = build_model("ReLU2", in_features=768, hidden=4, classes=3)
        optimizer = SGD(model.parameters(), 1e-4)
        run = functools.partial(train, model, optimizer, epochs=1, batching=Batching(chunk_size=100))
        run(data=datasets.stream(path))  # whatever is made once is made here
        tracemalloc.start()
        run(data=datasets.stream(path))
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    in_memory = (6_000 - 600) * 768 * 4  # bytes that the further images would take as float32
    labels = (6_000 - 600) * 8
    assert peaks[6_000] - peaks[600] < 6 * labels < in_memory / 50


# --- what may be wrong ----------------------------------------------------------------------------------------------


def test_a_missing_file(folder):
    path = folder(5)
    (path / "val_data.npz").unlink()
    with pytest.raises(
        DataError, match=r"val_data.npz is missing in .* Expected train_data_batch_\*.npz and val_data.npz"
    ):
        datasets.stream(str(path))


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"data": images(5, 1)[0].astype(float), "labels": images(5, 1)[1]}, r"holds data \(5, 48\) of float64"),
        ({"data": images(5, 1)[0], "labels": images(4, 1)[1]}, r"holds data \(5, 48\) of uint8 and labels \(4,\)"),
        (
            {"data": images(5, 1)[0], "labels": images(5, 1)[1].astype(object)},
            "damaged, .*: Object arrays cannot be loa",
        ),
        ({"data": images(5, 1)[0]}, "There is no item named 'labels.npy'"),
        ({"images": images(5, 1)[0], "labels": images(5, 1)[1]}, "There is no item named 'data.npy'"),
        ({"data": images(5, 1)[0].reshape(5, 3, 4, 4), "labels": images(5, 1)[1]}, r"holds data \(5, 3, 4, 4\)"),
        ({"data": np.asfortranarray(images(5, 1)[0]), "labels": images(5, 1)[1]}, "column by column"),
        (
            {"data": images(5, 1, 8)[0], "labels": images(5, 1)[1]},
            "h_2.npz has images of 192 bytes, .*h_1.npz of 48; all",
        ),
    ],
    ids=["floats", "labels", "pickled labels", "no labels", "no data", "four axes", "column by column", "two sizes"],
)
def test_files_of_another_form(folder, arrays, complaint):
    path = folder(5, 5)
    np.savez(path / "train_data_batch_2.npz", **arrays)
    with pytest.raises(DataError, match=complaint):
        datasets.stream(str(path))


def test_images_that_are_not_square(folder):
    path = folder(5)
    for name in ("train_data_batch_1.npz", "val_data.npz"):
        np.savez(path / name, data=np.zeros((5, 49), dtype=np.uint8), labels=np.ones(5, dtype=int))
    with pytest.raises(DataError, match="49 bytes are not a square image in three colours"):
        datasets.stream(str(path))


def test_a_truncated_file_is_refused_before_any_work(folder):
    path = folder(50)
    whole = (path / "train_data_batch_1.npz").read_bytes()
    (path / "train_data_batch_1.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"train_data_batch_1.npz is damaged, or not a file of images: File is not a zip file"
    ):
        datasets.stream(str(path))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_altered_byte_is_noticed_when_it_is_read(folder, save):
    path = folder(400, size=16, save=save) / "train_data_batch_1.npz"
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("data.npy").header_offset + archive.getinfo("data.npy").compress_size // 2
    contents = bytearray(path.read_bytes())
    contents[middle] ^= 0xFF
    path.write_bytes(contents)
    data = datasets.stream(str(path.parent))
    with pytest.raises(DataError, match=r"train_data_batch_1.npz is damaged after [0-3]?[0-9]{1,2} of 400 images"):
        list(data.x_train.chunks(10))


def test_the_checksums_are_those_that_the_files_state(folder):
    before = datasets.find_source(str(folder(5))).checksums()
    assert before.keys() == {"train_data_batch_1.npz", "val_data.npz"}
    other = datasets.find_source(str(folder(6))).checksums()
    assert other["val_data.npz"] == before["val_data.npz"]
    assert other["train_data_batch_1.npz"] != before["train_data_batch_1.npz"]


def test_the_checksum_of_a_file_is_that_of_its_images_and_labels(folder):
    path = folder(5)
    source = datasets.find_source(str(path))
    assert source.is_here()
    for name, said in source.checksums().items():
        with zipfile.ZipFile(path / name) as archive:
            crcs = [f"{zlib.crc32(archive.read(part)):08x}" for part in ("data.npy", "labels.npy")]
        assert said == f"crc32 {crcs[0]}-{crcs[1]}"


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_npy_format(folder, version):
    path = folder(5)
    data, labels = images(5, 1)
    with zipfile.ZipFile(path / "train_data_batch_1.npz", "w") as archive:
        for name, array in (("data.npy", data), ("labels.npy", labels)):
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=version if name == "data.npy" else (1, 0))
            archive.writestr(name, member.getvalue())
    if version == (3, 0):
        with pytest.raises(DataError, match=r"unknown version \(3, 0\) of the npy format; known: \(1, 0\), \(2, 0\)"):
            datasets.stream(str(path))
    else:
        np.testing.assert_array_equal(datasets.load(str(path)).x_train, data)


def test_rows_on_disk_know_their_size_and_keep_their_scale(folder):
    rows = datasets.stream(str(folder(5, 8)), "unit").x_train
    assert (len(rows), rows.shape, rows.ndim) == (13, (13, 48), 2)
    assert repr(rows) == "StreamedRows(13 x 48, 2 files)"
    first = rows.first(6)
    assert (len(first), first.shape) == (6, (6, 48))
    np.testing.assert_array_equal(np.concatenate(list(first.chunks(4))), np.concatenate(list(rows.chunks(13)))[:6])
    halves = first.scaled(lambda chunk: chunk / 2)
    assert len(halves) == 6
    expected = np.concatenate([images(5, 1)[0], images(8, 2)[0][:1]])
    np.testing.assert_array_equal(np.concatenate(list(halves.chunks(4))), expected / 2)


def test_the_head_of_a_streamed_set_is_a_set_in_memory(folder):
    data = datasets.stream(str(folder(5, 8)), "unit")
    assert (data.layout, data.input) == ("dense", "unit")
    for rows, used, tested in ((3, 3, 3), (9, 9, 7), (100, 13, 7)):
        head = data.head(rows)
        assert (head.x_train.shape, head.x_test.shape) == ((used, 48), (tested, 48))
        np.testing.assert_array_equal(head.x_train, np.concatenate(list(data.x_train.chunks(5)))[:used])
        np.testing.assert_array_equal(head.y_train, data.y_train[:used])
        np.testing.assert_array_equal(head.y_test, data.y_test[:tested])
    assert Path(data.name).name == "images-5-8"
    for name in ("name", "input", "classes", "class_names", "image_shape", "reading"):
        assert getattr(head, name) == getattr(data, name)
    assert data.class_names == ("1", "2", "3")
    assert str(data.reading).startswith(f"Data: {data.name}\n  13 of 13 images to train on, 7 to test on")


def test_unknown_ways_of_feeding_are_refused_before_a_file_is_read():
    with pytest.raises(ValueError, match=r"unknown input 'normalised'; known: raw, unit, normalized$"):
        datasets.stream("absent", "normalised")
    with pytest.raises(ValueError, match=r"unknown layout 'csr'; known: auto, dense, sparse$"):
        datasets.load("absent", layout="csr")


def test_what_can_stay_on_disk(folder):
    assert datasets.is_streamed(str(folder(5)))
    assert not datasets.is_streamed("wine")


def test_what_is_not_a_folder_cannot_be_streamed():
    with pytest.raises(ValueError, match="mnist is not a folder of images that can stay on disk; use load"):
        datasets.stream("mnist")


def claiming(path, rows):
    """Write an .npz file whose labels claim so many rows."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, shape, kind in (("data.npy", (3, 48), "|u1"), ("labels.npy", (rows,), "<i8")):
            member = io.BytesIO()
            header = {"descr": kind, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            archive.writestr(name, member.getvalue() + bytes(144))


@pytest.mark.parametrize("rows", [2**39, 2**59, 2**70, -1])
def test_a_header_that_claims_more_than_any_memory_is_damage(folder, rows):
    path = folder(5)
    claiming(path / "val_data.npz", rows)
    with pytest.raises(DataError, match=r"val_data.npz (is damaged|holds data)"):
        datasets.stream(str(path))


def test_a_flipped_bit_in_a_file_of_images_is_no_traceback(folder):
    path = folder(5)
    file, draw = path / "val_data.npz", random.Random(0)
    whole = file.read_bytes()
    for _ in range(300):
        changed = bytearray(whole)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        file.write_bytes(changed)
        with contextlib.suppress(DataError):
            list(datasets.stream(str(path)).x_test.chunks(3))


def test_a_missing_training_file_is_missed(folder):
    path = folder(5, 8, 3)
    (path / "train_data_batch_2.npz").unlink()
    with pytest.raises(
        DataError, match=r"train_data_batch_2.npz is missing in .*images-5-8-3; there are train_data_batch_1"
    ):
        datasets.load(str(path))


def test_in_memory_and_on_disk_the_scale_is_that_of_the_rows_in_use(folder):
    path = str(folder(5, 8))
    loaded, streamed = (read(path, "normalized", train_size=6) for read in (datasets.load, datasets.stream))
    np.testing.assert_array_equal(np.concatenate(list(streamed.x_train.chunks(4))), loaded.x_train)
