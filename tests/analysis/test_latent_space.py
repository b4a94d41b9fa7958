"""The principal plane against scikit-learn's PCA and clouds whose axes are known."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tinydist.analysis.latent_space import planes_figure, planes_table, principal_plane
from tinydist.errors import ShapeError


@pytest.fixture
def cloud(rng):
    labels = rng.integers(0, 3, 80)
    return rng.normal(size=(80, 6)) * [5, 1, 1, 3, 1, 1] + 2 * labels[:, None], labels


def test_the_plane_is_that_of_scikit_learn(cloud):
    values, labels = cloud
    plane = principal_plane(values, labels)
    pca = PCA(2).fit(values)
    signs = np.sign(np.sum(plane.axes * pca.components_, axis=1))
    np.testing.assert_allclose(plane.axes, signs[:, None] * pca.components_, atol=1e-10)
    np.testing.assert_allclose(plane.points, signs * pca.transform(values), atol=1e-10)
    np.testing.assert_allclose(plane.explained, pca.explained_variance_ratio_)
    np.testing.assert_allclose((values - plane.mean) @ plane.axes.T, plane.points, atol=1e-10)
    assert np.take_along_axis(plane.axes, np.abs(plane.axes).argmax(axis=1)[:, None], axis=1).min() > 0


def test_float32_far_from_zero():
    values = (1000 + np.array([[0.0, 0, 7], [4, 0, 7], [0, 2, 7], [4, 2, 7]])).astype(np.float32)
    plane = principal_plane(values, np.zeros(4, dtype=int))
    np.testing.assert_allclose(plane.axes, [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(plane.explained, [0.8, 0.2])  # variances 4 and 1


def test_class_means_and_what_lies_between_them():
    values = np.array([[0.0, 1.0], [0.0, -1.0], [10.0, 1.0], [10.0, -1.0]])
    plane = principal_plane(values, np.array([3, 3, 5, 5]))
    assert list(plane.class_means) == [3, 5]
    np.testing.assert_allclose([plane.class_means[3], plane.class_means[5]], [[-5, 0], [5, 0]], atol=1e-12)
    assert plane.class_share == pytest.approx(25 / 26)


def test_constant_activations_have_no_variance_to_explain():
    plane = principal_plane(np.full((3, 3), 0.1), np.array([0, 1, 2]))  # their mean rounds to more than 0.1
    assert plane.explained.tolist() == [0, 0]
    assert not plane.points.any()
    assert plane.class_share == 0


def test_two_samples_span_a_line():
    plane = principal_plane(np.array([[0.0, 0, 0], [3.0, 4, 0]]), np.array([0, 1]))
    np.testing.assert_allclose(plane.explained, [1, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(plane.points[:, 0]), [2.5, 2.5])


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_image_or_one_unit_makes_no_plane(shape):
    with pytest.raises(ValueError, match="at least two samples and two units"):
        principal_plane(np.ones(shape), np.zeros(shape[0], dtype=int))


def test_what_does_not_fit_is_refused(cloud):
    values, labels = cloud
    with pytest.raises(ValueError, match="finite, got nan"):
        principal_plane(np.where(values == values[0, 0], np.nan, values), labels)
    with pytest.raises(ShapeError, match=r"shape \(80,\)"):
        principal_plane(values, labels[:-1])


def test_table_and_figure(cloud):
    plane = principal_plane(*cloud)
    row = planes_table({"Abs": plane}).splitlines()[1].split()
    assert row[0] == "Abs"
    assert float(row[3].rstrip("%")) == pytest.approx(100 * plane.explained.sum(), abs=0.06)
    figure = planes_figure({"Abs": plane}, "a protocol")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2"]
    assert len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 3
    assert sum(len(line.get_xdata()) for line in axes.lines) == 80
    figure.draw_without_rendering()
