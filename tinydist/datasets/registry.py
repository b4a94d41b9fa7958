"""The registry of data sets: those that have a name, and those that the user names by a path."""

from __future__ import annotations

import difflib
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tinydist.datasets import stream
from tinydist.datasets.files import SourceFile
from tinydist.datasets.images import CIFAR_TRAIN, IDX_IMAGES, CifarArchive, CifarFolder, IdxFolder, IdxImages, gzipped
from tinydist.datasets.options import NAMES, TableOptions, split_name
from tinydist.datasets.samples import Pixels, Samples
from tinydist.datasets.series import ArchiveSeries, SeriesFiles
from tinydist.datasets.streamed import ImageFolder
from tinydist.datasets.tabular import SklearnTable, TextTable
from tinydist.datasets.text_table import is_arff
from tinydist.errors import DataError

PATHS = (
    "a path: FILE.csv:COLUMN or FILE.arff:COLUMN, where COLUMN holds the classes; NAME_TRAIN.ts or NAME_TRAIN.tsv, "
    f"with NAME_TEST beside it; a folder with {stream.TRAIN} and {stream.TEST} (downsampled ImageNet), with "
    f"{CIFAR_TRAIN.format(1)} and so on (the form of CIFAR-10), or with train-images-idx3-ubyte and so on (the form of "
    "MNIST)"
)
"""The forms of path that may be given in place of a name."""


class Source(typing.Protocol):
    """The origin of a data set, which reads it."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return a description of each way of feeding the data set to a model, by the name of the way."""

    @property
    def splits(self) -> bool:
        """Return whether the rows to test on are drawn at random, because the data set does not say which they are."""

    def is_here(self) -> bool:
        """Return whether it can be read without a download."""

    def checksums(self) -> dict[str, str]:
        """Return the checksums that identify the contents, by file.

        Of a data set that has a name, no other contents are ever loaded.
        """

    def read(self, split: int, /) -> Samples:
        """Read all rows of the files.

        Args:
            split: which of the random splits into training and test rows, where the test rows are drawn.

        Raises:
            DataError: if a file is damaged, or missing and cannot be downloaded; says what to do.
        """


def archive(name: str, archive_name: str, train_sha256: str, test_sha256: str) -> ArchiveSeries:
    """Return the source of a data set of the archives of time series.

    Args:
        name: its name here.
        archive_name: its name in the archives.
        train_sha256, test_sha256: of the contents of its two .ts files.
    """
    files = ((f"{archive_name}_TRAIN.ts", train_sha256), (f"{archive_name}_TEST.ts", test_sha256))
    train, test = (SourceFile(file, sha256, file, sha256) for file, sha256 in files)
    return ArchiveSeries(name, (train, test))


IMAGES: tuple[IdxImages | CifarArchive, ...] = (
    IdxImages(
        name="mnist",
        files=(
            gzipped(
                "train-images-idx3-ubyte",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            gzipped(
                "train-labels-idx1-ubyte",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            gzipped(
                "t10k-images-idx3-ubyte",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            gzipped(
                "t10k-labels-idx1-ubyte",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        pixels=Pixels(mean=0.1307, std=0.3081),
    ),
    IdxImages(
        name="fashion-mnist",
        files=(
            gzipped(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            gzipped(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            gzipped(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            gzipped(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        pixels=Pixels(mean=0.2860, std=0.3530),
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        installed=Path("/usr/share/datasets/fashion-mnist"),  # Debian's package dataset-fashion-mnist
    ),
    CifarArchive(
        name="cifar-10",
        archive=SourceFile(
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
    ),
)
TABLES = (
    SklearnTable(
        "breast-cancer", "load_breast_cancer", "25e2eb7b7a8745b1bde5ba18bc4969983d2e2f403291ecd5bde4a29ef30c3859"
    ),
    SklearnTable("wine", "load_wine", "3a28849ef2366c4b9d4e382b3fa5624a66f693c04d7fdcf43c529bbb0bb338d7"),
    SklearnTable("digits", "load_digits", "f6d9e39f37dc45d327f6db33428ee58970ccceabb2535a5c179de35886b70443"),
    SklearnTable("covertype", "fetch_covtype", None, fetched=True),
)
SERIES = (
    archive(
        "italy-power-demand",
        "ItalyPowerDemand",
        "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c",
        "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144",
    ),
    archive(
        "gun-point",
        "GunPoint",
        "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
        "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
    ),
    archive(
        "arrow-head",
        "ArrowHead",
        "a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72",
        "5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904",
    ),
    archive(
        "osu-leaf",
        "OSULeaf",
        "86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc",
        "6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce",
    ),
    archive(
        "acsf1",
        "ACSF1",
        "0646b90dc4843e02baed6b2ba345c5601a4991b6796565489cef1b2d92a7537b",
        "93e8aaeb44a10af181d24a156e60da7021193cd990ca28f263fccf3b905bfebf",
    ),
    archive(
        "basic-motions",
        "BasicMotions",
        "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
        "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
    ),
)
SOURCES: dict[str, Source] = {source.name: source for source in (*IMAGES, *TABLES, *SERIES)}
"""Every data set that has a name."""


_TABLE = re.compile(r"(?P<file>.+?\.(?:csv|tsv|txt|arff)(?:\.gz)?):(?P<column>.+)", re.DOTALL | re.IGNORECASE)


def find_source(name: str) -> Source:
    """Return the data set of this name or path.

    Raises:
        ValueError: if it is neither a known name nor a path of a known form, or not text, which labels need.
        DataError: if the file of a path of a known form is missing.
    """
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of a file name that were not understood
        raise ValueError(
            f"expected the path of a data set to be text in {sys.getfilesystemencoding()}, since it labels tables and "
            f"figures, got {name!r}; rename the file, or choose a locale such as C.UTF-8"
        ) from None
    bare, options = split_name(name)
    if table := _TABLE.fullmatch(bare):
        read = [Path(file) for file in (table["file"], options.test) if file]
        if (options.delimiter or options.decimal) and all(map(is_arff, read)):
            raise ValueError(
                f"{bare} is in ARFF, where a comma is between cells and the point in numbers; leave out the options "
                "delimiter and decimal"
            )
        return _there(TextTable(Path(table["file"]), table["column"], options), Path(table["file"]))
    if options != TableOptions():
        raise ValueError(
            f"{bare} is not of the form FILE.csv:COLUMN or FILE.arff:COLUMN; the options {', '.join(NAMES)} are for "
            "these alone"
        )
    if name in SOURCES:
        return SOURCES[name]
    path = Path(name)
    if path.suffix in (".ts", ".tsv") and "_TRAIN." in path.name:
        return _there(SeriesFiles(path), path)
    if path.match(IDX_IMAGES):
        return _there(IdxFolder(path), path)
    if path.is_dir():
        if list(path.glob(stream.TRAIN)):
            return ImageFolder(path)
        if list(path.glob(CIFAR_TRAIN.format("*"))):
            return CifarFolder(path)
        if images := sorted(path.glob(IDX_IMAGES)):
            if len(images) > 1:
                raise ValueError(f"{path} holds several data sets; name one of them: {', '.join(map(str, images))}")
            return IdxFolder(images[0])
    near = difflib.get_close_matches(name.lower().replace("_", "-"), SOURCES, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown data set {name!r}.{meant} Known: {', '.join(SOURCES)}; or {PATHS}")


def table_parts(bare: str) -> list[str]:
    """Return the file and the column of a name such as FILE.csv:COLUMN; of one that is no table, the name alone."""
    table = _TABLE.fullmatch(bare)
    return [table["file"], table["column"]] if table else [bare]


def is_table(name: str) -> bool:
    """Return whether a name is that of a table, such as FILE.csv:COLUMN, whatever options it has."""
    return len(table_parts(split_name(name)[0])) > 1


def resolved(name: str) -> str:
    """Return the name of a data set with the paths in it, if any, made absolute: it holds in any folder then."""
    bare, options = split_name(name)
    if table := _TABLE.fullmatch(bare):
        if options.test:
            options = replace(options, test=str(Path(options.test).resolve()))
        return f"{Path(table['file']).resolve()}:{table['column']}{options}"
    return name if name in SOURCES or not Path(name).exists() else str(Path(name).resolve())


def _there(source: Source, path: Path) -> Source:
    if not path.is_file():
        raise DataError(f"{path} is missing; check the path. Known data sets: {', '.join(SOURCES)}; or {PATHS}")
    return source
