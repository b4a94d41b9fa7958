import numpy as np
import pytest

from tinydist import Tensor, build_model, datasets
from tinydist.reproduce.runs.starts import INITIALIZATIONS, OPTIMIZERS, start
from tinydist.training import training_step


@pytest.fixture(scope="module")
def data():
    return datasets.load("mnist", train_size=50)


def losses_of(model, optimizer, x, labels, steps=4):
    losses = []
    for _ in range(steps):
        loss = model(Tensor(x)).cross_entropy(labels)
        losses.append(loss.item())
        training_step(loss, optimizer)
    return losses


@pytest.mark.parametrize("name", ["ReLU2", "Abs2-Neg", "ReLU-L2"])
def test_factors_on_raw_pixels_are_training_on_scaled_pixels(config, data, name):
    """With s and s² the network is the one that is really fed pixels times s, step by step."""
    scale = 1 / 64
    on_raw = start(config(name, lr=0.05, first_init=scale, first_step=scale**2), data)
    on_scaled = start(config(name, lr=0.05), data)
    ours = losses_of(*on_raw, data.x_train, data.y_train)
    theirs = losses_of(*on_scaled, data.x_train * np.float32(scale), data.y_train)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert abs(ours[-1] - ours[0]) > 1e-3  # something was learned
    other = losses_of(*start(config(name, lr=0.05, first_init=scale), data), data.x_train, data.y_train)
    assert abs(other[-1] - ours[-1]) > 1e-3  # a factor on the start alone is another training


@pytest.mark.parametrize("name", ["ReLU2", "ReLU-Bias", "Abs-L2-Neg", "Conv-ReLU2"])
def test_the_last_weights_are_those_that_the_outputs_are_made_of(config, data, name):
    plain, _ = start(config(name), data)
    scaled, _ = start(config(name, last_init=4.0), data)
    changed = {
        weights: np.unique(array / plain.state_dict()[weights]).tolist()
        for weights, array in scaled.state_dict().items()
        if not np.array_equal(array, plain.state_dict()[weights])
    }
    assert changed == {"offset.alpha" if "L2" in name else "linear1.weight": [4.0]}


def test_the_papers_start_is_what_the_layers_come_with(config, data):
    model, _ = start(config("ReLU2", seed=3), data)
    for name, weights in build_model("ReLU2", seed=3).state_dict().items():
        assert model.state_dict()[name].tobytes() == weights.tobytes()


def test_he_initialisation_has_variance_2_over_fan_in(config, data):
    model, _ = start(config("ReLU2", initialization="he"), data)
    weights = model.state_dict()
    assert weights["linear0.weight"].std() == pytest.approx(np.sqrt(2 / 784), rel=0.02)
    assert weights["linear1.weight"].std() == pytest.approx(np.sqrt(2 / 128), rel=0.1)
    assert not weights["linear0.bias"].any()
    again, _ = start(config("ReLU2", initialization="he"), data)
    other, _ = start(config("ReLU2", initialization="he", seed=1), data)
    assert again.state_dict()["linear0.weight"].tobytes() == weights["linear0.weight"].tobytes()
    assert not np.array_equal(other.state_dict()["linear0.weight"], weights["linear0.weight"])


def test_with_positive_output_weights_no_output_of_relu2_starts_off(config, data):
    def off(initialization):
        model, _ = start(config("ReLU2", initialization=initialization), data)
        return np.mean(model(Tensor(data.x_train)).data == 0)

    assert off("positive") == 0
    assert off("uniform") > 0.2


def test_width_is_the_number_of_hidden_units(config, data):
    assert start(config("ReLU", hidden=32), data)[0].linear1.weight.shape == (10, 32)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("name", "factor", "weights", "others"),
    [
        ("ReLU", "first_step", "linear0.weight", "linear1.weight"),
        ("ReLU", "last_step", "linear1.weight", "linear0.weight"),
        ("ReLU-Bias", "last_step", "linear1.weight", "linear1.bias"),
        ("Abs-L2", "last_step", "offset.alpha", "offset.mu"),
    ],
)
def test_a_factor_of_the_learning_rate_is_for_one_layers_weights(
    config, data, optimizer, name, factor, weights, others
):
    moves = []
    for value in (1.0, 0.25):
        model, descent = start(config(name, lr=1e-6, optimizer=optimizer, **{factor: value}), data)
        before = model.state_dict()
        losses_of(model, descent, data.x_train, data.y_train, steps=1)
        moves.append({name: weight - before[name] for name, weight in model.state_dict().items()})
    plain, slowed = moves
    np.testing.assert_array_equal(slowed[others], plain[others])
    largest = np.abs(plain[weights]).max()
    np.testing.assert_allclose(slowed[weights], plain[weights] / 4, atol=0.1 * largest)
    assert largest > 0


def test_every_initialisation_leaves_finite_weights(config, data):
    for name in INITIALIZATIONS:
        for model_name in ("ReLU2", "Abs-L2"):
            model, _ = start(config(model_name, initialization=name), data)
            assert all(np.isfinite(weight).all() for weight in model.state_dict().values())


def test_sparse_images_find_the_weights_of_a_pixel_side_by_side_also_after_a_checkpoint(config, data):
    sparse = datasets.load("mnist", "raw", train_size=200, layout="sparse")
    settings = config("ReLU", 0)
    (model, optimizer), (plain, _) = start(settings, sparse), start(settings, data)
    weight = model.linear0.weight
    np.testing.assert_array_equal(weight.data, plain.linear0.weight.data)
    training_step(model(sparse.x_train).cross_entropy(sparse.y_train), optimizer)
    model.load_state_dict(model.state_dict())
    assert weight.data.flags.f_contiguous
    assert weight.grad.flags.f_contiguous
