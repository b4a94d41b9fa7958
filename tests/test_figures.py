"""What figures share."""

import matplotlib.image
import pytest
from matplotlib.colors import to_rgb

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
