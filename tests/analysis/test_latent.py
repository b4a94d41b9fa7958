"""Distributions by class against scikit-learn, SciPy and samples worked out by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from tinydist.analysis.latent import (
    class_separation,
    output_distribution,
    outputs_figure,
    outputs_table,
    telling_units,
    unit_distributions,
    units_figure,
    units_table,
)
from tinydist.errors import ShapeError


@pytest.fixture
def sample(rng):
    labels = rng.integers(0, 4, 200)
    return labels[:, None] * np.array([0.0, 0.3, 3.0]) + rng.normal(size=(200, 3)), labels


def test_separation_is_the_f_statistic_of_scikit_learn(sample):
    values, labels = sample
    eta2 = class_separation(values, labels)
    f, _ = f_classif(values, labels)
    np.testing.assert_allclose(eta2 / (1 - eta2) * (200 - 4) / (4 - 1), f)


def test_separation_at_its_ends():
    labels = np.array([0, 0, 1, 1])
    values = np.array([[1.0, 5.0, 0.1], [1.0, 7.0, 0.1], [2.0, 5.0, 0.1], [2.0, 7.0, 0.1]])
    assert class_separation(values, labels).tolist() == [1, 0, 0]  # all class, no class, constant
    assert telling_units(values, labels, 3).tolist() == [0, 1, 2]


def test_the_most_telling_units_come_first(sample):
    assert telling_units(*sample, count=2).tolist() == [2, 1]
    assert len(telling_units(*sample, count=10)) == 3
    with pytest.raises(ValueError, match="at least 1"):
        telling_units(*sample, count=0)


def test_float32_values_far_from_zero_lose_nothing(rng):
    labels = np.arange(60000) % 10
    noise = rng.normal(size=(60000, 1))
    assert class_separation((1000 + noise).astype(np.float32), labels)[0] < 0.001
    assert class_separation((1000 + labels[:, None]).astype(np.float32), labels)[0] == pytest.approx(1)


def test_percentiles_by_class_and_what_a_unit_knows(sample):
    values, labels = sample
    unit = unit_distributions(values, labels, units=[2], classes=5)[0]
    own = np.sort(values[labels == 1, 2])
    assert unit.percentiles[1, 2] == pytest.approx(np.median(own))
    assert unit.percentiles[1, 4] == pytest.approx(stats.scoreatpercentile(own, 95))
    assert unit.positive[1] == np.mean(own > 0)
    assert (unit.nearest, unit.farthest) == (0, 3)
    assert np.isnan(unit.percentiles[4]).all()  # there is no class 4


def test_far_on_the_negative_side_is_far():
    values, labels = np.array([[-9.0], [1.0], [4.0]]), np.array([0, 1, 2])
    unit = unit_distributions(values, labels, classes=3)[0]
    assert (unit.nearest, unit.farthest) == (1, 0)
    assert unit.positive.tolist() == [0, 1, 1]


def test_one_image_can_be_looked_at():
    units = unit_distributions(np.array([[2.0, -3.0]]), np.array([7]))
    assert [unit.separation for unit in units] == [0, 0]
    assert units[0].percentiles[7].tolist() == [2] * 5


def test_right_and_other_outputs():
    found = output_distribution(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([2, 0]))
    assert found.right.tolist() == [3, 4]
    assert found.others.tolist() == [[1, 2], [5, 6]]
    assert found.right_is_larger == (2 + 2) / 8  # 3 and 4 each exceed 1 and 2
    assert found.right_is_larger_within == 1 / 2


def test_larger_outputs_against_mann_whitney_and_roc(rng):
    outputs, labels = rng.integers(0, 6, (50, 4)).astype(float), rng.integers(0, 4, 50)  # many ties
    outputs[np.arange(50), labels] += 1
    found = output_distribution(outputs, labels)
    statistic = stats.mannwhitneyu(found.right, found.others.ravel()).statistic
    assert found.right_is_larger == pytest.approx(statistic / (50 * 150))
    assert found.right_is_larger == pytest.approx(roc_auc_score(np.eye(4)[labels].ravel(), outputs.ravel()))


def test_outputs_that_are_all_equal_say_nothing():
    found = output_distribution(np.zeros((3, 2)), np.array([0, 1, 0]))
    assert (found.right_is_larger, found.right_is_larger_within) == (0.5, 0.5)


def test_what_does_not_fit_is_refused(sample):
    values, labels = sample
    with pytest.raises(ValueError, match="finite, got nan for sample 3"):
        class_separation(np.where(np.arange(200)[:, None] == 3, np.nan, values), labels)
    with pytest.raises(ShapeError, match=r"\(200,\)"):
        unit_distributions(values, labels[:5])
    with pytest.raises(ValueError, match="below 3"):
        output_distribution(values, labels)
    with pytest.raises(ValueError, match="at least two columns"):
        output_distribution(values[:, :1], np.zeros(200, dtype=int))


def test_tables_have_a_line_for_each(sample):
    values, labels = sample
    lines = units_table(unit_distributions(values, labels, classes=4)).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["2", "1", "0"]
    assert lines[1].split()[2:4] == ["0", "3"]
    wide = np.concatenate([values, values[:, :1]], axis=1)
    rows = outputs_table({"A": output_distribution(wide, labels)}).splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("A ")


def test_figures_name_units_and_models(sample):
    values, labels = sample
    units = dict(zip("abc", unit_distributions(values, labels, classes=5), strict=True))
    figure = units_figure(units, "a protocol")
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["a, unit 2", "b, unit 1", "c, unit 0"]
    assert "a protocol" in figure.get_suptitle()
    figure.draw_without_rendering()
    constant = output_distribution(np.zeros((3, 2)), np.array([0, 1, 0]))
    figure = outputs_figure({"dead": constant}, "a protocol")
    assert figure.axes[0].get_title().startswith("dead")
    figure.draw_without_rendering()
