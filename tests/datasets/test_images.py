import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading

import numpy as np
import pytest

from tinydist import datasets
from tinydist.datasets import files
from tinydist.datasets.images import CifarArchive, IdxImages, gzipped, parse_idx
from tinydist.datasets.samples import Pixels
from tinydist.errors import DataError, TrainSizeError

TRAINING_DIGITS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
"""How often each digit occurs in MNIST's training set, as documented by its authors' site and many others."""


@pytest.fixture(scope="module")
def mnist():
    return datasets.load("mnist")


def test_mnist_is_mnist(mnist):
    assert mnist.x_train.shape == (60_000, 784)
    assert mnist.x_test.shape == (10_000, 784)
    assert mnist.x_train.dtype == np.float32
    assert mnist.y_train.dtype == np.int64
    assert np.bincount(mnist.y_train).tolist() == TRAINING_DIGITS
    assert mnist.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (mnist.x_train.min(), mnist.x_train.max()) == (0, 255)


def test_normalized_has_zero_mean_and_unit_deviation(mnist):
    normalized = datasets.load("mnist", input="normalized")
    assert normalized.x_train.mean(dtype=float) == pytest.approx(0, abs=1e-3)
    assert normalized.x_train.std(dtype=float) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(
        normalized.x_test[:100], (mnist.x_test[:100].astype(float) / 255 - 0.1307) / 0.3081, rtol=1e-5, atol=1e-6
    )


FASHION = datasets.SOURCES["fashion-mnist"].installed  # type: ignore[attr-defined]  # not every source has it


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"needs Debian's package dataset-fashion-mnist in {FASHION}")
def test_fashion_mnist_is_fashion_mnist():
    data = datasets.load("fashion-mnist", input="normalized", layout="auto")
    assert (data.x_train.shape, data.x_test.shape) == ((60_000, 784), (10_000, 784))
    assert np.bincount(data.y_train).tolist() == [6_000] * 10  # balanced, as its authors say
    assert np.bincount(data.y_test).tolist() == [1_000] * 10
    assert data.layout == "dense"  # half of its pixels are not zero
    assert data.x_train.mean(dtype=float) == pytest.approx(0, abs=1e-3)
    assert data.x_train.std(dtype=float) == pytest.approx(1, abs=1e-3)


def test_unit_runs_from_0_to_1(mnist):
    unit = datasets.load("mnist", input="unit")
    assert (unit.x_train.min(), unit.x_train.max()) == (0, 1)
    np.testing.assert_array_equal(np.rint(unit.x_test * 255), mnist.x_test)


def test_train_size_keeps_the_first_training_images_and_all_test_images(mnist):
    small = datasets.load("mnist", train_size=7)
    np.testing.assert_array_equal(small.x_train, mnist.x_train[:7])
    np.testing.assert_array_equal(small.y_train, mnist.y_train[:7])
    assert len(small.x_test) == 10_000


@pytest.mark.parametrize("size", [0, -1, 60_001])
def test_a_train_size_it_does_not_have(size):
    with pytest.raises(ValueError, match=f"mnist has 60000 training rows: expected 1 to 60000, got {size}"):
        datasets.load("mnist", train_size=size)


@pytest.mark.parametrize("input", datasets.INPUTS)
def test_the_sparse_layout_holds_the_same_images_in_less_memory(input):
    dense = datasets.load("mnist", input, train_size=200)
    sparse = datasets.load("mnist", input, train_size=200, layout="sparse")
    assert (dense.layout, sparse.layout) == ("dense", "sparse")
    np.testing.assert_allclose(sparse.x_train.dense(), dense.x_train, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sparse.x_test.dense(), dense.x_test, rtol=1e-5, atol=1e-6)
    assert sparse.x_test.nbytes < dense.x_test.nbytes / 4


def test_auto_chooses_by_the_share_of_pixels_that_are_not_zero():
    assert datasets.load("mnist", train_size=100, layout="auto").layout == "sparse"
    pixels = np.zeros((10, 10), dtype=np.uint8)
    pixels[:4] = 1
    assert datasets.choose_layout(pixels) == "sparse"
    pixels[4, 0] = 1
    assert datasets.choose_layout(pixels) == "dense"


@pytest.mark.parametrize("wrong", [{"name": "nmist"}, {"input": "normalised"}, {"layout": "csr"}])
def test_unknown_names_list_the_known_ones(wrong):
    with pytest.raises(ValueError, match=r"(?i)unknown .* known: .*(mnist|normalized|sparse)"):
        datasets.load(**({"name": "mnist"} | wrong))


# --- a small data set in the real format, so that files can be damaged and served ----------------------------------


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Register "tiny", four IDX files known by checksum; gives their compressed contents by file name."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images": rng.integers(0, 256, (6, 2, 2), dtype=np.uint8),
        "train-labels": np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8),
        "test-images": rng.integers(0, 256, (3, 2, 2), dtype=np.uint8),
        "test-labels": np.array([2, 1, 0], dtype=np.uint8),
    }
    zipped = {name: gzip.compress(idx(array), mtime=0) for name, array in arrays.items()}
    known = tuple(
        gzipped(name, hashlib.sha256(idx(array)).hexdigest(), hashlib.sha256(zipped[name]).hexdigest())
        for name, array in arrays.items()
    )
    source = IdxImages("tiny", known, ("http://127.0.0.1:9/",), Pixels(0.5, 0.25))
    monkeypatch.setitem(datasets.SOURCES, "tiny", source)
    monkeypatch.setattr(files, "REPOSITORY_DATA", tmp_path / "repository")
    monkeypatch.setattr(files, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("TINYDIST_DATA", raising=False)
    return zipped


def store(folder, files):
    folder.mkdir(parents=True)
    for name, contents in files.items():
        (folder / f"{name}.gz").write_bytes(contents)
    return folder


@pytest.mark.parametrize("place", ["repository/tiny", "cache/tiny", "chosen/tiny", "chosen"])
def test_files_are_found_in_each_place(tiny, tmp_path, monkeypatch, place):
    store(tmp_path / place, tiny)
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path / "chosen"))
    data = datasets.load("tiny")
    assert data.y_test.tolist() == [2, 1, 0]
    assert data.x_train.shape == (6, 4)


def test_images_by_checksum_have_their_shape_scale_and_names(tiny, tmp_path, monkeypatch):
    source = datasets.SOURCES["tiny"]
    assert not source.is_here()
    folder = store(tmp_path / "repository" / "tiny", tiny)
    assert source.is_here()
    assert source.checksums() == {
        name: hashlib.sha256(gzip.decompress(contents)).hexdigest() for name, contents in tiny.items()
    }
    data = datasets.load("tiny", "normalized")
    assert (data.image_shape, data.class_names, data.y_train.dtype) == ((1, 2, 2), ("0", "1", "2"), np.int64)
    pixels = np.frombuffer(gzip.decompress(tiny["test-images"]), np.uint8, offset=16).reshape(3, 4)
    np.testing.assert_allclose(data.x_test, (pixels / 255 - 0.5) / 0.25, rtol=1e-5, atol=1e-6)
    assert "6 of 6 images to train on, 3 to test on" in str(data.reading)
    monkeypatch.setitem(datasets.SOURCES, "tiny", dataclasses.replace(source, class_names=("a", "b", "c")))
    assert datasets.load("tiny").class_names == ("a", "b", "c")
    (folder / "test-labels.gz").unlink()
    assert not source.is_here()


def test_files_are_found_where_a_package_of_the_system_puts_them(tiny, tmp_path, monkeypatch):
    source = dataclasses.replace(datasets.SOURCES["tiny"], installed=store(tmp_path / "installed", tiny))
    monkeypatch.setitem(datasets.SOURCES, "tiny", source)
    assert source.is_here()
    assert datasets.load("tiny").y_test.tolist() == [2, 1, 0]


def test_the_folder_the_user_names_comes_first(tiny, tmp_path, monkeypatch):
    store(tmp_path / "repository" / "tiny", dict.fromkeys(tiny, b"damaged"))
    store(tmp_path / "chosen" / "tiny", tiny)
    monkeypatch.setenv("TINYDIST_DATA", str(tmp_path / "chosen"))
    assert len(datasets.load("tiny").x_train) == 6


def test_uncompressed_files_are_read_too(tiny, tmp_path):
    folder = store(tmp_path / "repository" / "tiny", tiny)
    for path in folder.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(datasets.load("tiny").x_train) == 6


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda whole: whole[:-12], "is damaged: it ends too early"),
        (lambda whole: whole[: len(whole) // 2], "is damaged: it ends too early"),
        (lambda _: b"<html>404</html>", "is damaged: it is not a valid gzip file"),
        (
            lambda whole: gzip.compress(gzip.decompress(whole)[:-1] + b"\x07"),
            "is damaged: expected contents with sha256",
        ),
        (lambda _: b"", "is damaged: expected contents with sha256"),
    ],
    ids=["cut short", "half", "not gzip", "one byte altered", "empty"],
)
def test_a_damaged_file_is_refused_by_name_with_the_remedy(tiny, tmp_path, damage, complaint):
    folder = store(tmp_path / "repository" / "tiny", tiny)
    path = folder / "test-images.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        datasets.load("tiny")
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)
    assert "Restore it (in a git checkout: git checkout -- data)" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "chosen", "advice"),
    [
        ("cache/tiny", "", "Delete it and run again to download a fresh copy"),
        ("repository/tiny", "", "Restore it (in a git checkout: git checkout -- data)"),
        ("chosen", "chosen", "Put the right file there, or let TINYDIST_DATA be the folder that holds it"),
        ("cache/tiny", "cache", "Put the right file there, or let TINYDIST_DATA be the folder that holds it"),
    ],
)
def test_only_a_download_is_to_be_deleted_as_another_file_may_be_good(
    tiny, tmp_path, monkeypatch, place, chosen, advice
):
    names = list(tiny)
    store(tmp_path / place, dict(zip(names, reversed(tiny.values()), strict=True)))  # good files of something else
    if chosen:
        monkeypatch.setenv("TINYDIST_DATA", str(tmp_path / chosen))
    with pytest.raises(DataError) as caught:
        datasets.load("tiny")
    assert "or it is a good file of another data set" in str(caught.value)
    assert str(caught.value).endswith(f". {advice}")


@pytest.fixture
def mirror(tmp_path):
    """A web server on this machine; gives its folder and its URL."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def use_mirrors(monkeypatch, *urls):
    source = dataclasses.replace(datasets.SOURCES["tiny"], mirrors=urls)
    monkeypatch.setitem(datasets.SOURCES, "tiny", source)


def test_missing_files_are_downloaded_once_from_the_first_mirror_that_has_them(tiny, mirror, tmp_path, monkeypatch):
    folder, url = mirror
    store(folder / "good", tiny)
    use_mirrors(monkeypatch, f"{url}gone/", f"{url}good/")
    assert len(datasets.load("tiny").x_train) == 6
    assert sorted(path.name for path in (tmp_path / "cache" / "tiny").iterdir()) == sorted(f"{n}.gz" for n in tiny)
    use_mirrors(monkeypatch)
    assert len(datasets.load("tiny").x_train) == 6


def test_a_download_with_another_checksum_is_refused(tiny, mirror, monkeypatch):
    folder, url = mirror
    store(folder / "bad", {name: contents + b"!" for name, contents in tiny.items()})
    use_mirrors(monkeypatch, f"{url}bad/")
    with pytest.raises(DataError, match=r"could not be downloaded .*/bad/: .*hash"):
        datasets.load("tiny")


@pytest.mark.usefixtures("tiny")
def test_without_a_network_the_error_says_where_to_put_the_file(tmp_path):
    with pytest.raises(DataError) as caught:
        datasets.load("tiny")
    for hint in ("train-images.gz", str(tmp_path / "repository"), "TINYDIST_DATA", "http://127.0.0.1:9/"):
        assert hint in str(caught.value)


# --- CIFAR-10 in its binary form ------------------------------------------------------------------------------------


def cifar(count, seed):
    """So many images: their pixels (count, channel, row, column), their classes, and the file that holds both."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    contents = b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True))
    return pixels, labels, contents


@pytest.fixture
def cifar_archive(tmp_path, monkeypatch):
    """Register "tiny-cifar", an archive in the form of the real one; gives its path, pixels and labels."""
    monkeypatch.setattr(files, "REPOSITORY_DATA", tmp_path / "repository")
    monkeypatch.setattr(files, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("TINYDIST_DATA", raising=False)
    parts = {f"data_batch_{number}.bin": cifar(4, number) for number in range(1, 6)} | {"test_batch.bin": cifar(3, 9)}
    path = tmp_path / "repository" / "tiny-cifar" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, (_, _, contents) in {**parts, "batches.meta.txt": (None, None, b"airplane\n")}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    known = files.SourceFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), path.name, "0")
    monkeypatch.setitem(datasets.SOURCES, "tiny-cifar", CifarArchive("tiny-cifar", known, ("http://127.0.0.1:9/",)))
    return path, parts


def test_cifar_is_read_from_its_archive_without_unpickling(cifar_archive):
    path, parts = cifar_archive
    data = datasets.load("tiny-cifar", "unit")
    assert data.x_train.shape == (20, 3072)
    assert (data.image_shape, data.classes) == ((3, 32, 32), max(labels.max() for _, labels, _ in parts.values()) + 1)
    pixels, labels, _ = parts["data_batch_3.bin"]
    np.testing.assert_allclose(data.x_train[8:12].reshape(4, 3, 32, 32), pixels / 255, rtol=1e-6)
    assert data.y_train[8:12].tolist() == labels.tolist()
    assert data.y_test.tolist() == parts["test_batch.bin"][1].tolist()
    names = "airplane automobile bird cat deer dog frog horse ship truck"  # in the order of its batches.meta.txt
    assert data.class_names == tuple(names.split()[: data.classes])
    assert datasets.SOURCES["tiny-cifar"].is_here()
    assert datasets.SOURCES["tiny-cifar"].checksums() == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}
    normalized = datasets.load("tiny-cifar", "normalized").x_train
    np.testing.assert_allclose(normalized, (data.x_train - 0.4734) / 0.2516, rtol=1e-4, atol=1e-5)


def test_an_archive_that_is_not_the_known_one_is_refused(cifar_archive):
    path, _ = cifar_archive
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is damaged: expected contents with sha256"):
        datasets.load("tiny-cifar")


def test_without_a_network_cifar_says_where_to_put_the_archive(cifar_archive):
    path, _ = cifar_archive
    path.unlink()
    assert not datasets.SOURCES["tiny-cifar"].is_here()
    with pytest.raises(
        DataError, match=r"cifar-10-binary.tar.gz is missing: it is in none of .* could not be downloaded"
    ):
        datasets.load("tiny-cifar")


@pytest.fixture
def cifar_folder(tmp_path):
    folder = tmp_path / "my-images"
    folder.mkdir()
    for name, seed in [("data_batch_1.bin", 1), ("test_batch.bin", 2)]:
        (folder / name).write_bytes(cifar(4, seed)[2])
    return folder


def test_a_folder_in_cifars_form_can_be_named_by_its_path(cifar_folder):
    data = datasets.load(str(cifar_folder))
    np.testing.assert_array_equal(data.x_train.reshape(4, 3, 32, 32), cifar(4, 1)[0])
    np.testing.assert_array_equal(data.x_test.reshape(4, 3, 32, 32), cifar(4, 2)[0])
    source = datasets.find_source(str(cifar_folder))
    assert source.checksums().keys() == {"data_batch_1.bin", "test_batch.bin"}
    assert source.is_here()
    labels = np.concatenate([cifar(4, seed)[1] for seed in (1, 2)])
    assert (data.y_train.tolist() + data.y_test.tolist(), data.image_shape) == (labels.tolist(), (3, 32, 32))
    assert data.class_names == tuple(map(str, range(labels.max() + 1)))
    assert "4 of 4 images to train on, 4 to test on" in str(data.reading)


@pytest.mark.parametrize("name", ["data_batch_1.bin", "test_batch.bin"])
def test_a_class_of_cifar_counts_if_it_is_in_one_file_alone(cifar_folder, name):
    for path in cifar_folder.iterdir():
        path.write_bytes(bytes([9 if path.name == name else 0]) + bytes(3072))
    assert datasets.load(str(cifar_folder)).classes == 10


@pytest.mark.parametrize(
    ("name", "contents", "complaint"),
    [
        (
            "data_batch_1.bin",
            cifar(4, 1)[2][:-1],
            "data_batch_1.bin in .*my-images is damaged.* of 3,073 bytes, got 12,291",
        ),
        ("test_batch.bin", b"", "test_batch.bin in .*my-images is damaged.* of 3,073 bytes, got 0 bytes"),
        (
            "test_batch.bin",
            b"\x0a" + bytes(3072),
            "test_batch.bin in .*my-images is damaged.* expected classes 0 to 9, got 10",
        ),
        ("test_batch.bin", None, "test_batch.bin is missing in .*my-images. Expected .* form: data_batch_1.bin and"),
    ],
    ids=["cut short", "empty", "a class too many", "missing"],
)
def test_damaged_files_in_cifars_form(cifar_folder, name, contents, complaint):
    (cifar_folder / name).unlink()
    if contents is not None:
        (cifar_folder / name).write_bytes(contents)
    with pytest.raises(DataError, match=complaint):
        datasets.load(str(cifar_folder))


def test_a_missing_batch_is_missed(cifar_folder):
    for number in (2, 4):
        (cifar_folder / f"data_batch_{number}.bin").write_bytes(cifar(4, 1)[2])
    with pytest.raises(DataError, match=r"data_batch_3.bin is missing in .*my-images; there are data_batch_1.bin, "):
        datasets.load(str(cifar_folder))
    (cifar_folder / "data_batch_1.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_1.bin is missing"):
        datasets.load(str(cifar_folder))


def test_other_pictures_are_normalized_by_their_own_pixels(cifar_folder):
    data = datasets.load(str(cifar_folder), "normalized")
    pixels = cifar(4, 1)[0].reshape(4, -1) / 255
    np.testing.assert_allclose(data.x_train, (pixels - pixels.mean()) / pixels.std(), rtol=1e-4, atol=1e-5)


# --- IDX files by path ----------------------------------------------------------------------------------------------


@pytest.fixture
def letters(tmp_path):
    """A folder in EMNIST's form: images of 5 x 4, classes from 1; gives it with its arrays."""
    rng = np.random.default_rng(0)
    arrays = {
        "emnist-letters-train-images-idx3-ubyte": rng.integers(0, 256, (6, 5, 4), dtype=np.uint8),
        "emnist-letters-train-labels-idx1-ubyte": np.array([1, 2, 26, 1, 2, 26], dtype=np.uint8),
        "emnist-letters-test-images-idx3-ubyte": rng.integers(0, 256, (3, 5, 4), dtype=np.uint8),
        "emnist-letters-test-labels-idx1-ubyte": np.array([26, 1, 2], dtype=np.uint8),
    }
    for name, array in arrays.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path, list(arrays.values())


def test_idx_files_are_found_by_their_folder_or_by_name(letters):
    folder, (x_train, _, _, _) = letters
    train = folder / "emnist-letters-train-images-idx3-ubyte.gz"
    for name in (folder, train):
        data = datasets.load(str(name))
        np.testing.assert_array_equal(data.x_train, x_train.reshape(6, 20))
        assert (data.image_shape, data.classes, data.class_names) == ((1, 5, 4), 3, ("1", "2", "26"))
        assert data.y_test.tolist() == [2, 0, 1]
    (folder / "other-train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match="holds several data sets; name one of them"):
        datasets.load(str(folder))


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("test-labels-idx1", lambda _: None, "is missing; expected images and labels"),
        (
            "train-images-idx3",
            lambda whole: whole[:-1],
            "train-images-idx3-ubyte.gz is damaged: expected 120 .* got 119",
        ),
        ("train-images-idx3", lambda whole: b"PNG" + whole[3:], "not an IDX file of bytes"),
        (
            "train-labels-idx1",
            lambda _: idx(np.zeros(5, dtype=np.uint8)),
            "as many labels, got .* and labels .5,",
        ),
        ("test-labels-idx1", lambda _: idx(np.zeros(2, dtype=np.uint8)), "images .3, 5, 4. and labels .2,"),
        (
            "test-images-idx3",
            lambda _: idx(np.zeros((3, 4, 5), dtype=np.uint8)),
            "of one size .*, got images .3, 4, 5.",
        ),
        (
            "train-images-idx3",
            lambda _: idx(np.zeros((6, 20), dtype=np.uint8)),
            "expected images .*, got images .6, 20.",
        ),
        ("train-labels-idx1", lambda _: idx(np.ones(6, dtype=np.uint8)), "class 2 of the test rows is missing"),
    ],
    ids=["missing", "short", "no IDX", "other labels", "other test labels", "other size", "flat", "an unknown class"],
)
def test_idx_files_that_do_not_go_together(letters, part, change, complaint):
    folder, _ = letters
    path = folder / f"emnist-letters-{part}-ubyte.gz"
    contents = change(gzip.decompress(path.read_bytes()))
    path.unlink()
    if contents is not None:
        path.write_bytes(gzip.compress(contents))
    with pytest.raises(DataError, match=complaint):
        datasets.load(str(folder))


@pytest.mark.parametrize("name", ["test", "t10k"])
def test_the_test_images_may_be_called_as_those_of_mnist(letters, name):
    folder, (x_train, _, x_test, _) = letters
    for path in folder.glob("*test-*"):
        path.rename(path.with_name(path.name.replace("test-", f"{name}-")))
    data = datasets.load(str(folder), "unit")
    np.testing.assert_allclose(data.x_train, x_train.reshape(6, 20) / 255, rtol=1e-6)
    np.testing.assert_allclose(data.x_test, x_test.reshape(3, 20) / 255, rtol=1e-6)
    assert (data.y_train.tolist(), data.y_train.dtype) == ([0, 1, 2, 0, 1, 2], np.int64)
    assert "6 of 6 images to train on, 3 to test on" in str(data.reading)
    source = datasets.find_source(str(folder))
    assert source.is_here()
    assert len(source.checksums()) == 4
    for path in folder.glob(f"*{name}-images*"):
        path.unlink()
    assert not source.is_here()
    with pytest.raises(DataError, match=r"emnist-letters-t10k-images-idx3-ubyte.gz is missing; expected images and l"):
        datasets.load(str(folder))


@pytest.mark.parametrize("input", datasets.INPUTS)
def test_small_images_are_the_same_in_each_layout(letters, input):
    folder, _ = letters
    dense, sparse = (datasets.load(str(folder), input, 4, layout) for layout in ("dense", "sparse"))
    for data in (dense, sparse):
        assert (len(data.y_train), len(data.y_test), data.input, data.name) == (4, 3, input, str(folder))
        assert str(data.reading).startswith(f"Data: {folder}\n  4 of 6 images to train on, 3 to test on")
    assert (dense.layout, sparse.layout) == ("dense", "sparse")
    for part in ("x_train", "x_test"):
        np.testing.assert_allclose(getattr(sparse, part).dense(), getattr(dense, part), rtol=1e-5, atol=1e-6)
    assert datasets.load(str(folder), input, 4, "auto").layout == "dense"


def test_auto_looks_at_the_training_images_in_use(letters):
    folder, (x_train, _, _, _) = letters
    x_train[:4] = 0
    (folder / "emnist-letters-train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x_train)))
    layouts = [datasets.load(str(folder), train_size=size, layout="auto").layout for size in (4, 5, 6, None)]
    assert layouts == ["sparse"] * 4
    x_train[3] = 1
    (folder / "emnist-letters-train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x_train)))
    layouts = [datasets.load(str(folder), train_size=size, layout="auto").layout for size in (4, 5, 6, None)]
    assert layouts == ["sparse", "sparse", "dense", "dense"]


def test_a_train_size_is_one_of_those_there_are(letters):
    folder, _ = letters
    for size in (1, 6):
        assert len(datasets.load(str(folder), train_size=size).y_train) == size
    for size in (0, 7):
        with pytest.raises(TrainSizeError, match=f"has 6 training rows: expected 1 to 6, got {size}$") as caught:
            datasets.load(str(folder), train_size=size)
        assert caught.value.there == 6


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        (b"", "expected it to begin with 00 00 08, got nothing. Fetch it again"),
        (b"\0\0", "expected it to begin with 00 00 08, got 00 00. Fetch"),
        (b"\0\0\x09\1\0\0\0\1\5", "expected it to begin with 00 00 08, got 00 00 09. Fetch"),
        (b"\0\0\x08", "expected it to begin with 00 00 08, got 00 00 08. Fetch"),
        (b"\0\0\x08\1\0\0\0", "expected it to begin with 00 00 08, got 00 00 08. Fetch"),
        (b"\0\0\x08\1\0\0\0\2\5", r"expected 2 bytes after its header, as sizes \(2,\) say, got 1. Fetch it again"),
        (b"\0\0\x08\1\0\0\0\2\5\6\7", r"expected 2 bytes after its header, as sizes \(2,\) say, got 3. Fetch it"),
        (b"\0\0\x08\3" + b"\x80\0\0\0" * 2 + b"\0\0\0\4", r"expected 18,446,744,073,709,551,616 bytes .* got 0. Fetch"),
        (b"\0\0\x08\2\0\1\0\0\0\1\0\0", r"expected 4,294,967,296 bytes after its header, .* got 0. Fetch it again"),
    ],
)
def test_bytes_that_are_no_idx_file(contents, complaint):
    with pytest.raises(DataError, match=f"^x-ubyte is damaged.*{complaint}"):
        parse_idx(contents, "x-ubyte")


def test_an_idx_file_may_have_any_number_of_axes():
    assert parse_idx(b"\0\0\x08\0\7", "x") == 7
    assert parse_idx(b"\0\0\x08\1\0\0\0\0", "x").shape == (0,)
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(parse_idx(idx(array), "x"), array)


def test_images_of_one_colour_are_scaled_to_0():
    """One pass over the squares would leave a variance just below 0 (for bytes of 7), and NaN for all pixels."""
    flat = np.full((5, 12), 7, np.uint8)
    np.testing.assert_allclose(Pixels.of([flat]).scaled(flat, "normalized"), 0, atol=1e-6)
