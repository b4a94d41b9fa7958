"""The models by name: what they are made of, and their gradients."""

import re
from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.scipy.special import erf

from tinydist import Tensor, build_model
from tinydist.errors import ModelNameError
from tinydist.models import PAPER_MODELS, ModelSpec, model_names, parse_model_name
from tinydist.ops import ACTIVATIONS
from tinydist.sparse import SparseMatrix

LAYERS = {
    "ReLU": "linear0:Linear act0:ReLU linear1:Linear",
    "Abs": "linear0:Linear act0:Abs linear1:Linear",
    "ReLU2": "linear0:Linear act0:ReLU linear1:Linear act1:ReLU",
    "Abs2": "linear0:Linear act0:Abs linear1:Linear act1:Abs",
    "ReLU2-Neg": "linear0:Linear act0:ReLU linear1:Linear act1:ReLU neg:Neg",
    "Abs2-Neg": "linear0:Linear act0:Abs linear1:Linear act1:Abs neg:Neg",
    "ReLU-L2": "linear0:Linear act0:ReLU offset:OffsetL2",
    "ReLU-L2-Neg": "linear0:Linear act0:ReLU offset:OffsetL2 neg:Neg",
    "Abs-L2": "linear0:Linear act0:Abs offset:OffsetL2",
    "Abs-L2-Neg": "linear0:Linear act0:Abs offset:OffsetL2 neg:Neg",
    "ReLU-Neg": "linear0:Linear act0:ReLU linear1:Linear neg:Neg",
    "Abs-Neg": "linear0:Linear act0:Abs linear1:Linear neg:Neg",
    "ReLU-Bias": "linear0:Linear act0:ReLU linear1:Linear",
    "Abs-Bias": "linear0:Linear act0:Abs linear1:Linear",
    "ReLU-Neg-Bias": "linear0:Linear act0:ReLU linear1:Linear neg:Neg",
    "Abs-Neg-Bias": "linear0:Linear act0:Abs linear1:Linear neg:Neg",
    "ReLU2-Bias": "linear0:Linear act0:ReLU linear1:Linear act1:ReLU",
    "Abs2-Bias": "linear0:Linear act0:Abs linear1:Linear act1:Abs",
    "ReLU2-Neg-Bias": "linear0:Linear act0:ReLU linear1:Linear act1:ReLU neg:Neg",
    "Abs2-Neg-Bias": "linear0:Linear act0:Abs linear1:Linear act1:Abs neg:Neg",
}
IN_THE_PAPER = list(LAYERS)[:10]
OTHERS = tuple(name for name in ACTIVATIONS if name not in ("ReLU", "Abs"))

every_name = pytest.mark.parametrize("name", LAYERS)


def kind(layer):
    return getattr(layer, "name", type(layer).__name__)


def shown(layers):
    return " ".join(f"{child}:{kind(layer)}" for child, layer in layers)


def shapes_of(name):
    shapes = {"linear0.weight": (128, 784), "linear0.bias": (128,)}
    if "L2" in name:
        return shapes | {"offset.mu": (10, 128), "offset.alpha": (10, 128)}
    return shapes | {"linear1.weight": (10, 128)} | ({"linear1.bias": (10,)} if "Bias" in name else {})


# --- names and what they stand for ---------------------------------------------------------------------------------


def test_the_grammar_has_these_names():
    with_and_without = model_names()
    names = [name for name in with_and_without if not name.startswith("Conv-")]
    assert set(with_and_without) - set(names) == {f"Conv-{name}" for name in names}
    assert {name for name in names if name.startswith(("ReLU", "Abs"))} == set(LAYERS)
    others = {name.replace("ReLU", activation, 1) for name in LAYERS for activation in OTHERS if name[0] == "R"}
    assert set(names) - set(LAYERS) == others
    assert len(with_and_without) == len(set(with_and_without))


def test_the_paper_has_these_models():
    assert list(PAPER_MODELS) == IN_THE_PAPER


@every_name
def test_layers_in_order(name):
    layers = build_model(name, 3, 2, 2).children()
    assert shown(layers) == LAYERS[name]


@every_name
def test_parameters_are_named_and_shaped_as_documented(name):
    parameters = build_model(name).named_parameters()
    assert [(key, p.shape, p.dtype) for key, p in parameters] == [
        (k, s, np.float32) for k, s in shapes_of(name).items()
    ]


@pytest.mark.parametrize("activation", OTHERS)
def test_the_other_activations_take_the_same_places(activation):
    layers = build_model(f"{activation}2-Neg", 3, 2, 2).children()
    kinds = [kind(layer) for _, layer in layers]
    assert kinds == ["Linear", activation, "Linear", activation, "Neg"]


def test_swish_is_silu():
    assert parse_model_name("Swish2-Neg") == parse_model_name("SiLU2-Neg")
    assert str(parse_model_name("Swish-L2")) == "SiLU-L2"
    for ours, theirs in zip(build_model("Swish").children(), build_model("SiLU").children(), strict=True):
        assert (ours[0], kind(ours[1])) == (theirs[0], kind(theirs[1]))


@pytest.mark.parametrize("name", [name for name in LAYERS if "L2" in name])
def test_offset_l2_is_the_programs(name):
    assert build_model(name, 3, 2, 2).offset.form == "program"


@every_name
def test_a_name_is_the_text_of_its_spec(name):
    assert str(parse_model_name(name)) == name


def test_a_name_is_taken_apart():
    assert parse_model_name("Abs2-Neg-Bias") == ModelSpec("Abs", "2", neg=True, bias=True)
    assert parse_model_name("ReLU-L2") == ModelSpec("ReLU", "-L2")
    assert parse_model_name("Conv-Abs-L2") == ModelSpec("Abs", "-L2", conv=True)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("relu", "ReLU"),
        ("ABS2", "Abs2"),
        ("ReLU_L2", "ReLU-L2"),
        ("ReLU-l2-neg", "ReLU-L2-Neg"),
        ("ReLu2Neg", "ReLU2-Neg"),
        ("Abs-L2-Negg", "Abs-L2-Neg"),
        ("ReLU-Neg-Bia", "ReLU-Neg-Bias"),
        (" Abs", "Abs"),
        ("Abs\n", "Abs"),
        ("abs2_neg", "Abs2-Neg"),
        ("swish2neg", "Swish2-Neg"),
        ("gelu_l2", "GELU-L2"),
        ("conv_relu2", "Conv-ReLU2"),
        ("Conv-Abs-L2-Negg", "Conv-Abs-L2-Neg"),
    ],
)
def test_an_unknown_name_is_explained_and_the_nearest_suggested(name, meant):
    with pytest.raises(ModelNameError) as error:
        build_model(name)
    assert f"unknown model {name!r}. Did you mean {meant!r}? " in str(error.value)
    assert "[Conv-]Act[2][-L2][-Neg][-Bias], where Act is one of ReLU, Abs, GELU, " in str(error.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Tan",
        "Swish-L2-Bias",
        "ReLU2-L2",
        "Abs-L2-Bias",
        "ReLU3",
        "2",
        "-Neg",
        "ReLU-ReLU",
        "Conv-",
        "Conv",
        "ReLU-Conv",
    ],
)
def test_no_other_name_is_taken(name):
    with pytest.raises(ModelNameError, match="unknown model"):
        parse_model_name(name)


@pytest.mark.parametrize("sizes", [(0, 2, 2), (2, -1, 2), (2, 2, 0)])
def test_sizes_must_be_positive(sizes):
    with pytest.raises(ValueError, match=r"sizes must be positive, got in_features=\d, hidden=-?\d, classes=\d"):
        build_model("ReLU", *sizes)


# --- convolutions --------------------------------------------------------------------------------------------------


@every_name
def test_conv_puts_a_convolution_before_the_same_layers(name):
    layers = build_model(f"Conv-{name}", in_features=2 * 7 * 6, hidden=2, classes=2, image_shape=(2, 7, 6)).children()
    act = name[:4] if name.startswith("ReLU") else "Abs"
    front = f"image:Unflatten conv0:Conv2d conv_act0:{act} pool0:MaxPool2d flat:Flatten"
    assert shown(layers) == f"{front} {LAYERS[name]}"


@every_name
def test_parameters_with_a_convolution_are_named_and_shaped_as_documented(name):
    wanted = {"conv0.weight": (8, 1, 5, 5), "conv0.bias": (8,), **shapes_of(name), "linear0.weight": (128, 8 * 12 * 12)}
    assert {key: p.shape for key, p in build_model(f"Conv-{name}").named_parameters()} == wanted


def test_images_of_several_channels():
    model = build_model("Conv-ReLU", in_features=3 * 32 * 32, image_shape=(3, 32, 32))
    assert model.conv0.weight.shape == (8, 3, 5, 5)
    assert model.linear0.weight.shape == (128, 8 * 14 * 14)
    assert model(Tensor(np.zeros((2, 3 * 32 * 32), dtype=np.float32))).shape == (2, 10)


@pytest.mark.parametrize(
    ("in_features", "image_shape", "message"),
    [
        (3072, None, "Conv- needs images, and a row of 3072 numbers is no square image with one channel; if it"),
        (784, (3, 32, 32), "image_shape (3, 32, 32) has 3072 pixels, but in_features is 784; they must be equal"),
        (35, (1, 5, 7), "Conv- needs images of at least 6 x 6 pixels, got 5 x 7"),
        (25, None, "Conv- needs images of at least 6 x 6 pixels, got 5 x 5"),
    ],
)
def test_images_that_do_not_fit_are_explained(in_features, image_shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_model("Conv-ReLU", in_features, image_shape=image_shape)


def test_a_convolution_takes_no_sparse_images():
    images = SparseMatrix(np.ones((2, 784), dtype=np.uint8))
    with pytest.raises(TypeError, match=re.escape("make it dense with Tensor(x.dense())")):
        build_model("Conv-ReLU")(images)


@pytest.mark.parametrize("name", ["Conv-ReLU2-Neg", "Conv-Abs-L2"])
def test_gradients_with_a_convolution_are_those_of_autograd(name, rng):
    x, labels = rng.normal(size=(6, 2 * 7 * 8)), rng.integers(0, 3, 6)
    model = build_model(name, in_features=2 * 7 * 8, hidden=4, classes=3, seed=1, image_shape=(2, 7, 8))
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(float)
    loss = model(Tensor(x)).cross_entropy(labels)
    loss.backward()
    act = relu if "ReLU" in name else anp.abs

    def pooled(p):
        images = x.reshape(6, 2, 7, 8)
        offsets = np.ndindex(5, 5)
        terms = [anp.einsum("bcyx,oc->boyx", images[:, :, i : i + 3, j : j + 4], p["conv0.weight"][:, :, i, j])
                 for i, j in offsets]  # fmt: skip
        maps = act(sum(terms) + anp.reshape(p["conv0.bias"], (8, 1, 1)))
        pairs = anp.maximum(maps[:, :, 0], maps[:, :, 1])  # of the three rows the last fills no window
        return anp.reshape(anp.maximum(pairs[:, :, 0::2], pairs[:, :, 1::2]), (6, 16))

    def oracle(p):
        return loss_of(name.removeprefix("Conv-"), pooled(p), labels)(p)

    parameters = model.state_dict()
    assert loss.item() == pytest.approx(oracle(parameters), rel=1e-13)
    wanted = autograd.grad(oracle)(parameters)
    for key, parameter in model.named_parameters():
        assert parameter.grad.any()
        np.testing.assert_allclose(parameter.grad, wanted[key], rtol=1e-10, atol=1e-13, strict=True, err_msg=key)


# --- initial weights -----------------------------------------------------------------------------------------------


@every_name
def test_a_seed_gives_every_model_the_same_first_layer(name):
    first, reference = build_model(name, seed=3).linear0, build_model("ReLU", seed=3).linear0
    np.testing.assert_array_equal(first.weight.data, reference.weight.data)
    np.testing.assert_array_equal(first.bias.data, reference.bias.data)


@every_name
def test_a_seed_repeats_all_weights_and_another_does_not(name):
    first, again, other = (build_model(name, 5, 4, 3, seed).state_dict() for seed in (7, 7, 8))
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
        assert key == "offset.alpha" or not np.array_equal(first[key], other[key])


def test_models_with_a_convolution_start_from_the_same_one():
    first, reference = build_model("Conv-Abs-L2", seed=3).conv0, build_model("Conv-ReLU", seed=3).conv0
    np.testing.assert_array_equal(first.weight.data, reference.weight.data)
    np.testing.assert_array_equal(first.bias.data, reference.bias.data)


@every_name
def test_linear_weights_start_within_one_over_the_root_of_their_inputs(name):
    for key, parameter in build_model(name).named_parameters():
        if key.startswith("linear"):
            bound = 1 / np.sqrt(784 if key.startswith("linear0") else 128)
            assert 0.7 * bound < np.abs(parameter.data).max() <= np.float32(bound)


# --- gradients -----------------------------------------------------------------------------------------------------


def relu(x):
    return anp.maximum(x, 0)


def project(h, p):
    return anp.dot(h, anp.transpose(p["linear1.weight"]))


def distance(h, p):
    difference = anp.expand_dims(h, 1) - p["offset.mu"]
    return anp.sqrt(anp.maximum(anp.sum(p["offset.alpha"] * difference**2, axis=2), 1e-12))


def gelu_tanh(z):
    return z / 2 * (1 + anp.tanh((2 / np.pi) ** 0.5 * (z + 0.044715 * z**3)))


FORWARD_OF_OTHERS = {
    "GELU": lambda z: z / 2 * (1 + erf(z / 2**0.5)),
    "GELUTanh": gelu_tanh,
    "SiLU": lambda z: z / (1 + anp.exp(-z)),
    "LeakyReLU": lambda z: anp.where(z > 0, z, z / 100),
    "ELU": lambda z: anp.where(z > 0, z, anp.exp(z) - 1),
    "Softplus": lambda z: anp.log(1 + anp.exp(z)),
    "Tanh": anp.tanh,
    "Sin": anp.sin,
    "Square": lambda z: z**2,
}


FORWARD: dict[str, Callable[..., Any]] = {
    "ReLU": lambda z, p: project(relu(z), p),
    "Abs": lambda z, p: project(anp.abs(z), p),
    "ReLU2": lambda z, p: relu(project(relu(z), p)),
    "Abs2": lambda z, p: anp.abs(project(anp.abs(z), p)),
    "ReLU2-Neg": lambda z, p: -relu(project(relu(z), p)),
    "Abs2-Neg": lambda z, p: -anp.abs(project(anp.abs(z), p)),
    "ReLU-L2": lambda z, p: distance(relu(z), p),
    "ReLU-L2-Neg": lambda z, p: -distance(relu(z), p),
    "Abs-L2": lambda z, p: distance(anp.abs(z), p),
    "Abs-L2-Neg": lambda z, p: -distance(anp.abs(z), p),
    **{
        f"{activation}2-Neg": lambda z, p, act=act: -act(project(act(z), p))
        for activation, act in FORWARD_OF_OTHERS.items()
    },
    "GELU-L2": lambda z, p: distance(FORWARD_OF_OTHERS["GELU"](z), p),
}


def loss_of(name, x, labels):
    """The loss of a paper model as a function of its parameters, in nothing but autograd.numpy."""

    def loss(p):
        logits = FORWARD[name](anp.dot(x, anp.transpose(p["linear0.weight"])) + p["linear0.bias"], p)
        likelihood = anp.exp(logits) / anp.sum(anp.exp(logits), axis=1, keepdims=True)
        return -anp.mean(anp.log(likelihood[anp.arange(len(labels)), labels]))

    return loss


@pytest.fixture(params=FORWARD)
def trained(request, rng):
    """A paper model in float64 after one backward pass: its parameters and gradients by name, its loss, the oracle."""
    x, labels = rng.normal(size=(6, 5)), rng.integers(0, 3, 6)
    model = build_model(request.param, in_features=5, hidden=4, classes=3, seed=1)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(float)
    if "L2" in request.param:
        model.offset.alpha.data += rng.uniform(-0.5, 0.5, (3, 4))
    loss = model(Tensor(x)).cross_entropy(labels)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return model.state_dict(), gradients, loss.item(), loss_of(request.param, x, labels)


def test_loss_and_gradients_are_those_of_autograd(trained):
    parameters, gradients, loss, oracle = trained
    assert loss == pytest.approx(oracle(parameters), rel=1e-13)
    wanted = autograd.grad(oracle)(parameters)
    for name, gradient in gradients.items():
        assert gradient.any()
        np.testing.assert_allclose(gradient, wanted[name], rtol=1e-10, atol=1e-13, strict=True, err_msg=name)


def test_gradients_are_those_of_central_differences(trained):
    parameters, gradients, _, oracle = trained
    step = 1e-5
    for name, gradient in gradients.items():
        for index in np.ndindex(gradient.shape):
            value = parameters[name][index]
            parameters[name][index] = value + step
            above = oracle(parameters)
            parameters[name][index] = value - step
            below = oracle(parameters)
            parameters[name][index] = value
            assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-9), (name, index)
