"""Shared parts of the figures: colours, markers, a canvas that needs no display, and writing to a file."""

from __future__ import annotations

import io
import textwrap
import warnings
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tinydist.files import atomic_path, check_replaceable

BLUE, VERMILION, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, GREY = "#E69F00", "#56B4E9", "#000000", "#8A8A8A"
COLORS = (BLACK, VERMILION, BLUE, ORANGE, GREEN, PINK, SKY)
"""Okabe and Ito's colours, distinguishable with any colour vision; let line styles or markers differ as well."""

MARKERS = "osD^v<>"

CLASS_COLORS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK, GREY, "#7A5195", "#8C6D00")
"""Ten colours for ten classes: too many to be told apart by colour alone, so always with :func:`class_marker`."""

SOFTWARE = "tinydist"
"""What the files say that they were made by."""


def class_color(label: int) -> str:
    """Return the colour of a class; from the eleventh class on colours repeat."""
    return CLASS_COLORS[label % len(CLASS_COLORS)]


def class_marker(label: int) -> str:
    """Return a marker that is the class's number itself."""
    return f"${label}$"


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of this width and height, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(
    count: int, width: float, height: float, columns: int = 4, sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, and the panels row by row.

    Args:
        count: at least one.
        width, height: of a panel, in inches.
        columns: panels in a row, at most.
        sharex, sharey: whether all panels have the same scale.

    Raises:
        ValueError: if `count` is below one.
    """
    if count < 1:
        raise ValueError("there is nothing to draw: a figure needs at least one panel")
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = canvas(width * columns, height * rows + 0.8)  # the title takes the rest
    axes = list(figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False).flat)
    for unused in axes[count:]:
        unused.remove()
    for above in axes[max(count - columns, 0) : count]:  # the lowest of each column
        above.tick_params(labelbottom=True)
    return figure, axes[:count]


def set_title(figure: Figure, text: str, fontsize: float = 10) -> None:
    """Put `text` above all panels; lines that are wider than the figure are broken at spaces, and dollars are dollars.

    Args:
        figure: of its final width.
        text: one or several lines.
        fontsize: in points.
    """
    width_of_a_letter = 0.56 * fontsize / 72  # inches, on average, in Matplotlib's default font
    letters = max(int(figure.get_figwidth() / width_of_a_letter), 1)
    lines = (textwrap.fill(line, letters, break_long_words=False) for line in text.splitlines())
    figure.suptitle("\n".join(lines), fontsize=fontsize, parse_math=False)


def png(figure: Figure, dpi: int = 130) -> bytes:
    """Return a figure as the contents of a PNG file, of at most 256 colours, which takes a third of the space.

    Args:
        figure: what to write.
        dpi: pixels an inch.
    """
    drawn, contents, origin = io.BytesIO(), io.BytesIO(), PngInfo()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # in a name: it is drawn as a box
        figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    origin.add_text("Software", SOFTWARE)
    whole = Image.open(drawn).convert("RGB")
    # Colours that cover the picture alone shift those of large areas. k-means moves them back, in a few rounds: it
    # stops once a round gives less than 10,000 pixels another colour.
    of_few_colors = whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=10_000, dither=Image.Dither.NONE)
    of_few_colors.save(contents, "PNG", pnginfo=origin, dpi=(dpi, dpi))
    return contents.getvalue()


def webp(contents: bytes) -> bytes:
    """Return the contents of a PNG file as those of a WebP file, which has the same pixels in less space."""
    smaller = io.BytesIO()
    Image.open(io.BytesIO(contents)).convert("RGB").save(smaller, "WEBP", lossless=True, method=2, quality=50)
    return smaller.getvalue()


def save(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Write a figure to a PNG file, in full or not at all.

    Args:
        figure: what to write.
        path: the file; replaced if it exists.
        dpi: pixels an inch.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(png(figure, dpi))


def check_figure(path: Path) -> None:
    """Check that a figure may be saved at `path`, before the work for it is done.

    Raises:
        FileExistsError: if there is something already that is not a figure by :func:`save`; says what to do.
        OSError: if it cannot be read.
    """
    if not path.exists() or f"Software\0{SOFTWARE}".encode() not in path.read_bytes()[:1000]:
        check_replaceable(path)
