"""What units stand for, against networks by hand, finite differences and SciPy's distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import tinydist as td
from tinydist.activity import layer_outputs
from tinydist.analysis.prototypes import (
    Nearest,
    nearest_figure,
    nearest_images,
    nearest_table,
    output_images,
    outputs_table,
    prototype_distances,
    relative_distances,
    unit_images,
    weights_figure,
)
from tinydist.errors import ShapeError


def small(name):
    return td.build_model(name, in_features=4, hidden=5, classes=3, seed=1)


def in_float64(model):
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(float)
    return model


def test_a_hidden_units_image_gives_its_pre_activation(rng):
    model, x = small("Abs2"), rng.normal(size=(6, 4)).astype(np.float32)
    images = unit_images(model)
    expected = layer_outputs(model, x)["linear0"] - model.linear0.bias.data
    np.testing.assert_allclose(x @ images.T, expected, rtol=1e-5, atol=1e-6)
    images[:] = 0
    assert model.linear0.weight.data.any()  # it was a copy


def test_only_a_linear_layers_weights_are_images():
    with pytest.raises(TypeError, match="first layer is Activation"):
        unit_images(td.nn.Sequential(act=td.nn.Activation("ReLU")))


@pytest.mark.parametrize("name", ["ReLU", "Abs2", "Abs2-Neg", "ReLU-L2", "Abs-L2-Neg"])
def test_gradients_are_finite_differences(name, rng):
    model, start, step = in_float64(small(name)), rng.normal(size=4), 1e-6
    found = output_images(model, start)
    sign = -1 if name.endswith("Neg") else 1  # outputs are taken before Neg
    probes = np.concatenate([start + step * np.eye(4), start - step * np.eye(4)])
    outputs = sign * model(td.Tensor(probes)).data
    np.testing.assert_allclose(found.gradients, (outputs[:4] - outputs[4:]).T / (2 * step), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found.outputs, sign * model(td.Tensor(start[None])).data[0])


def test_no_other_step_of_the_same_length_raises_a_linear_output_more(rng):
    model = in_float64(small("ReLU"))
    start = np.zeros(4)
    model.linear0.bias.data[:] = 5  # all units stay on nearby: the network is linear there
    found = output_images(model, start)
    others = rng.normal(size=(500, 4))
    others *= 0.1 / np.linalg.norm(others, axis=1, keepdims=True)
    for output in range(3):
        reached, lowered = (model(td.Tensor(found.step(length))).data[output, output] for length in (0.1, -0.1))
        elsewhere = model(td.Tensor(start + others)).data[:, output]
        assert lowered < elsewhere.min() < elsewhere.max() < reached
    np.testing.assert_allclose(np.linalg.norm(found.step(0.1) - start, axis=1), 0.1)


def test_an_output_that_is_off_has_no_direction():
    model = small("ReLU2")
    model.linear1.weight.data[:] = -1
    found = output_images(model, np.ones(4, dtype=np.float32))
    assert not found.gradients.any()
    np.testing.assert_array_equal(found.step(3.0), np.ones((3, 4)))


def test_own_gradients_leave_out_what_the_outputs_share():
    found = output_images(small("Abs"), np.ones(4, dtype=np.float32))
    np.testing.assert_allclose(found.own_gradients.sum(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(
        found.own_gradients[0] - found.own_gradients[1], found.gradients[0] - found.gradients[1], atol=1e-6
    )


def test_the_models_own_gradients_are_not_left_behind():
    model = small("Abs-L2")
    output_images(model, np.ones(4, dtype=np.float32))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_that_the_model_had_are_still_there(rng):
    model = small("ReLU")
    for parameter in model.parameters():
        parameter.grad = np.ones_like(parameter.data)
    output_images(model, rng.uniform(size=model.linear0.weight.shape[1]))
    assert all((parameter.grad == 1).all() for parameter in model.parameters())


@pytest.mark.parametrize(("start", "problem"), [(np.ones((1, 4)), "one image"), (np.full(4, np.nan), "finite")])
def test_starts_that_are_no_image(start, problem):
    with pytest.raises(ValueError, match=problem):
        output_images(small("Abs"), start)


@pytest.mark.parametrize("name", ["ReLU-L2", "Abs-L2-Neg"])
def test_distances_from_prototypes_are_those_of_scipy(name, rng):
    model, x = small(name), rng.normal(size=(7, 4)).astype(np.float32)
    hidden = layer_outputs(model, x)["act0"]
    mu = model.offset.mu.data
    np.testing.assert_allclose(prototype_distances(model, x, weighted=False), cdist(hidden, mu), rtol=1e-5)
    model.offset.alpha.data[:] = 4  # not squared: every distance doubles
    np.testing.assert_allclose(prototype_distances(model, x), 2 * cdist(hidden, mu), rtol=1e-5)


def test_a_model_without_prototypes_is_told_so():
    with pytest.raises(TypeError, match="is an OffsetL2"):
        prototype_distances(small("Abs2-Neg"), np.ones((1, 4)))


def test_nearest_images_by_hand():
    distances = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 5.0]])
    found = nearest_images(distances, np.array([7, 8, 9]), count=2)
    assert found.images.tolist() == [[1, 2], [0, 1]]  # of equals the first
    assert found.labels.tolist() == [[8, 9], [7, 8]]
    assert found.distances.tolist() == [[1, 2], [1, 1]]
    assert found.median_distances.tolist() == [2, 1]
    lines = nearest_table(found).splitlines()
    assert lines[2].split() == ["1", "1", "1", "7", "8"]


def test_one_image_is_nearest_to_everything():
    found = nearest_images(np.array([[5.0, 6.0, 7.0]]), np.array([2]), count=1)
    assert found.images.tolist() == [[0], [0], [0]]


@pytest.mark.parametrize("count", [0, 4])
def test_there_are_only_so_many_images(count):
    with pytest.raises(ValueError, match="from 1 to 3"):
        nearest_images(np.ones((3, 2)), np.zeros(3, dtype=int), count)


def test_what_is_not_finite_or_misshapen_is_refused():
    with pytest.raises(ValueError, match="distances must be finite"):
        nearest_images(np.array([[np.inf]]), np.array([0]), 1)
    with pytest.raises(ShapeError, match="labels"):
        nearest_images(np.ones((3, 2)), np.zeros(2, dtype=int), 1)


def test_relative_distances_tell_far_prototypes_apart():
    points = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 10.0]])
    distances = cdist(points, np.array([[-1000.0, 1.0], [-1000.0, -1.0]]))
    assert nearest_images(distances, np.zeros(3, dtype=int), 1).images.tolist() == [[0], [0]]
    relative = relative_distances(distances)
    np.testing.assert_allclose(relative.sum(axis=1), 0, atol=1e-9)
    assert nearest_images(relative, np.zeros(3, dtype=int), 1).images.tolist() == [[2], [0]]


def test_table_of_outputs():
    found = output_images(small("Abs"), np.ones(4, dtype=np.float32))
    lines = outputs_table(found).splitlines()
    assert len(lines) == 4
    assert float(lines[1].split()[2]) == pytest.approx(np.linalg.norm(found.gradients[0]), rel=1e-3)


def test_figures(rng):
    figure = weights_figure(np.array([[0.0, 1.0, -2.0, 0.5], [0.0] * 4]), ["a", "flat"], "a protocol", 8)
    image = figure.axes[0].images[0]
    assert (image.norm.vmin, image.norm.vmax) == (-2, 2)  # white is 0
    assert [axes.get_title() for axes in figure.axes] == ["a", "flat"]
    figure.draw_without_rendering()
    nearest = Nearest(np.array([[2], [0]]), np.array([[0], [0]]), np.ones((2, 1)), np.ones(2))
    x = rng.normal(size=(3, 4))
    figure = nearest_figure({"Abs-L2": nearest}, x, "a protocol")
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array().ravel(), x[2])
    assert ["≠" in axes.get_title() for axes in figure.axes] == [False, True]
    figure.draw_without_rendering()
    with pytest.raises(ShapeError, match="square"):
        weights_figure(np.ones((1, 3)), ["no square"], "a protocol", 8)
