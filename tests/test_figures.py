"""What figures share."""

import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from tinydist import figures


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (3, 1, 3), (4, 1, 4), (5, 2, 4), (10, 3, 4)])
def test_panels_fill_rows(count, rows, columns):
    figure, axes = figures.panels(count, 2, 2, sharex=True)
    assert len(axes) == len(figure.axes) == count
    grid = axes[0].get_subplotspec().get_gridspec()
    assert (grid.nrows, grid.ncols) == (rows, columns)
    labelled = [panel.xaxis.get_tick_params()["labelbottom"] for panel in axes]
    assert all(labelled[-columns:])  # numbers under the lowest panel of every column, even above a gap


def test_nothing_to_draw_is_said():
    with pytest.raises(ValueError, match="nothing to draw"):
        figures.panels(0, 2, 2)


def test_ten_classes_have_ten_looks():
    assert len({to_rgb(figures.class_color(label)) for label in range(10)}) == 10
    assert len({figures.class_marker(label) for label in range(10)}) == 10
    assert figures.class_color(10) == figures.class_color(0)


def test_saving_without_a_display(tmp_path):
    figure, (axes,) = figures.panels(1, 3, 2)
    axes.plot([0, 1], [0, 1])
    figures.save(figure, tmp_path / "new" / "a.png")
    assert matplotlib.image.imread(tmp_path / "new" / "a.png").shape[:2] == (364, 390)  # 2.8 by 3 inches at 130 dpi
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def draw_many_shades(axes):
    axes.imshow(np.linspace(0, 1, 600).reshape(20, 30), cmap="viridis")


def draw_bands(axes):
    """Translucent bands that lie on one another, as those of learning curves do."""
    x = np.linspace(0, 1, 100)
    for place, color in enumerate(figures.COLORS):
        axes.fill_between(x, place * x**3, place * np.sqrt(x) + 1, color=color, alpha=0.15, lw=0)
        axes.plot(x, place * x, color=color, marker="o", ms=4, lw=1.4)


@pytest.mark.parametrize(("draw", "most"), [(draw_many_shades, 10), (draw_bands, 30)])
def test_a_file_has_few_colours_and_yet_looks_as_drawn(draw, most):
    figure, (axes,) = figures.panels(1, 6, 5)
    draw(axes)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=130)
    contents = figures.png(figure)
    before, after = (np.asarray(Image.open(io.BytesIO(c)).convert("RGB"), int) for c in (drawn.getvalue(), contents))
    assert len(np.unique(after.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(before - after).mean() < 0.5
    assert np.abs(before - after).max() < most
    assert len(contents) < 0.6 * len(drawn.getvalue())


def test_the_same_pixels_take_less_space_on_a_page():
    figure, (axes,) = figures.panels(1, 3, 2)
    axes.plot(np.random.default_rng(0).normal(size=200), "o", alpha=0.3)
    contents = figures.png(figure)
    smaller = figures.webp(contents)
    assert len(smaller) < 0.9 * len(contents)
    one, other = (np.asarray(Image.open(io.BytesIO(c)).convert("RGB")) for c in (contents, smaller))
    np.testing.assert_array_equal(one, other)


def test_a_failed_drawing_leaves_no_file(tmp_path):
    figure, (axes,) = figures.panels(1, 3, 2)
    axes.set_title("$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        figures.save(figure, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_title_stays_within_the_figure_however_long_its_lines_are():
    figure = figures.canvas(6, 3)
    figure.subplots()
    words = " ".join(["not the paper's protocol, batches of 50"] * 6)
    figures.set_title(figure, f"A heading\n{words}")
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    assert 0 <= title.x0 < title.x1 <= figure.bbox.width
    assert figure.get_suptitle().split() == ["A", "heading", *words.split()]
    assert figure.get_suptitle().startswith("A heading\n")
