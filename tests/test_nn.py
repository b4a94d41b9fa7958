"""Modules and the paper's layers."""

import re

import numpy as np
import pytest
from scipy.signal import correlate2d

from tinydist import Tensor
from tinydist.errors import ShapeError, StateDictError
from tinydist.nn import (
    Activation,
    AvgPool2d,
    Conv2d,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    Neg,
    OffsetL2,
    Sequential,
    Unflatten,
)
from tinydist.sparse import SparseMatrix

forms = pytest.mark.parametrize("form", ["program", "paper"])
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def model(rng):
    return Sequential(first=Linear(4, 3, rng=rng), act=Activation("ReLU"), last=OffsetL2(3, 2, rng=rng))


# --- modules -------------------------------------------------------------------------------------------------------


def test_parameters_are_named_by_their_path(model):
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    assert shapes == {"first.weight": (3, 4), "first.bias": (3,), "last.mu": (2, 3), "last.alpha": (2, 3)}
    assert list(shapes) == ["first.weight", "first.bias", "last.mu", "last.alpha"]
    assert model.num_parameters() == 12 + 3 + 6 + 6
    assert model.parameters()[1] is model.first.bias


def test_a_tensor_without_gradient_is_no_parameter():
    module = Module()
    module.constant, module.parameter = Tensor([1.0]), Tensor([1.0], requires_grad=True)
    assert [name for name, _ in module.named_parameters()] == ["parameter"]


def test_sequential_applies_its_modules_in_order(rng):
    x = Tensor(rng.normal(size=(5, 3)))
    np.testing.assert_array_equal(Sequential(a=Neg(), b=Activation("ReLU"))(x).data, np.maximum(-x.data, 0))
    np.testing.assert_array_equal(Sequential(b=Activation("ReLU"), a=Neg())(x).data, -np.maximum(x.data, 0))


def test_repr_shows_the_layers(model):
    assert repr(model) == (
        "Sequential(\n  first: Linear(4, 3, bias=True)\n  act: Activation('ReLU')\n"
        "  last: OffsetL2(3, 2, form='program')\n)"
    )
    assert repr(Sequential(Neg())) == "Sequential(\n  0: Neg()\n)"


def test_repr_indents_what_is_nested():
    nested = Sequential(outer=Sequential(inner=Activation("ReLU")))
    assert repr(nested) == "Sequential(\n  outer: Sequential(\n    inner: Activation('ReLU')\n  )\n)"


def test_a_module_without_forward_is_named():
    class Unfinished(Module):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished does not define forward"):
        Unfinished()(Tensor(1.0))


def test_activations():
    x = Tensor([-2.0, 0.0, 3.0])
    layers = (Activation("ReLU"), Activation("Abs"), Neg())
    assert [layer(x).data.tolist() for layer in layers] == [
        [0, 0, 3],
        [2, 0, 3],
        [2, 0, -3],
    ]


# --- state dicts ---------------------------------------------------------------------------------------------------


def test_state_goes_round(model):
    other = Sequential(
        first=Linear(4, 3, rng=np.random.default_rng(1)),
        act=Activation("ReLU"),
        last=OffsetL2(3, 2, rng=np.random.default_rng(1)),
    )
    x = Tensor(np.random.default_rng(2).normal(size=(5, 4)), dtype=np.float32)
    assert not np.array_equal(other(x).data, model(x).data)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(x).data, model(x).data)


def test_state_is_a_copy_both_ways(model):
    before = model.first.bias.data.copy()
    state = model.state_dict()
    state["first.bias"] += 1
    np.testing.assert_array_equal(model.first.bias.data, before)
    model.load_state_dict(state)
    state["first.bias"] += 1
    np.testing.assert_array_equal(model.first.bias.data, before + 1)


def test_loaded_state_takes_the_dtype_of_the_model(model):
    state = {name: value.astype(float).tolist() for name, value in model.state_dict().items()}
    model.load_state_dict(state)
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("last.mu"), "'last.mu' is missing"),
        (lambda state: state.update({"last.nu": 0}), "'last.nu' is unknown to this model"),
        (lambda state: state.update({"last.mu": [1, 2]}), "'last.mu' has shape (2,), the model needs (2, 3)"),
    ],
)
def test_state_that_does_not_fit_is_explained_and_not_loaded(model, change, message):
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(StateDictError, match=re.escape(f"does not fit the model: {message}. The model's arrays are")):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_every_misfit_is_named(model):
    with pytest.raises(StateDictError) as error:
        model.load_state_dict({"first.bias": np.zeros(4), "weight": 0})
    for name in ("first.weight", "first.bias", "last.mu", "last.alpha", "weight"):
        assert f"'{name}'" in str(error.value)


def test_state_that_is_no_number_leaves_the_model_alone(model):
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()} | {"last.alpha": np.full((2, 3), "word")}
    with pytest.raises(StateDictError, match=r"'last\.alpha' has dtype <U4, the model needs float32"):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("value", [1j, 1e300, None])
def test_state_that_the_dtype_cannot_hold_is_refused(model, value):
    state = model.state_dict() | {"first.bias": np.full(3, value)}
    with pytest.raises(StateDictError, match=r"'first.bias' has (dtype|numbers that float32 cannot hold)"):
        model.load_state_dict(state)


def test_the_mask_of_a_state_is_not_lost(model):
    state = model.state_dict()
    name, array = next(iter(state.items()))
    with pytest.raises(StateDictError, match=f"'{name}' is a masked array, whose mask would be lost; fill its gaps"):
        model.load_state_dict(state | {name: np.ma.masked_array(array, mask=np.ones(array.shape))})


def test_a_frozen_weight_stays_in_the_state(model, rng):
    model.first.weight.requires_grad = False
    assert "first.weight" not in dict(model.named_parameters())
    fresh = Sequential(first=Linear(4, 3, rng=rng), act=Activation("ReLU"), last=OffsetL2(3, 2, rng=rng))
    fresh.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(fresh.first.weight.data, model.first.weight.data)


@pytest.fixture
def tied(rng):
    """Two layers with one weight."""
    model = Sequential(a=Linear(3, 3, bias=False, rng=rng), b=Linear(3, 3, bias=False, rng=rng))
    model.b.weight = model.a.weight
    return model


def test_a_tied_weight_is_one_parameter_with_two_names(tied):
    assert [name for name, _ in tied.named_parameters()] == ["a.weight"]
    assert tied.num_parameters() == 9
    assert list(tied.state_dict()) == ["a.weight", "b.weight"]


def test_two_arrays_for_one_weight_are_refused(tied):
    state = tied.state_dict()
    tied.load_state_dict({name: value + 1 for name, value in state.items()})
    np.testing.assert_array_equal(tied.a.weight.data, state["a.weight"] + 1)
    with pytest.raises(StateDictError, match=r"'a\.weight' and 'b\.weight' are one tensor"):
        tied.load_state_dict(state | {"b.weight": np.zeros((3, 3))})
    np.testing.assert_array_equal(tied.a.weight.data, state["a.weight"] + 1)


def test_a_state_with_nan_can_be_looked_at(tied):
    tied.load_state_dict({name: np.full((3, 3), np.nan) for name in tied.state_dict()})
    assert np.isnan(tied.a.weight.data).all()


def test_a_module_may_be_applied_twice(rng):
    layer = Linear(3, 3, rng=rng)
    model = Sequential(layer, Activation("ReLU"), layer)
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    x = Tensor(np.ones((1, 3), dtype=np.float32))
    np.testing.assert_array_equal(model(x).data, layer(layer(x).relu()).data)


@pytest.mark.parametrize(
    "hide",
    [lambda layer: [layer], lambda layer: {"a": layer}, lambda layer: (1, [layer.weight])],
    ids=["list", "dict", "tuple"],
)
def test_parameters_hidden_in_a_container_are_not_overlooked(hide, rng):
    module = Module()
    module.layers = hide(Linear(2, 2, rng=rng))
    for look in (module.parameters, module.state_dict, lambda: module.load_state_dict({})):
        with pytest.raises(TypeError, match=r"Module\.layers is a \w+ with parameters that nobody would find"):
            look()


def test_what_is_no_parameter_or_found_elsewhere_may_be_in_a_container(rng):
    class Remembering(Module):
        def __init__(self):
            self.first, self.last = Linear(2, 2, rng=rng), Linear(2, 2, rng=rng)
            self.layers = [self.first, self.last]
            self.tied = {"weight": self.first.weight}
            self.constants = (Tensor([1.0]), Neg())
            self.seen = []

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
                self.seen.append(x)
            return x

    model = Sequential(Remembering())
    model(np.ones((1, 2), dtype=np.float32))
    names = ["0.first.weight", "0.first.bias", "0.last.weight", "0.last.bias"]
    assert [name for name, _ in model.named_parameters()] == list(model.state_dict()) == names
    vars(model)["0"].layers.append(Linear(2, 2, rng=rng))
    with pytest.raises(TypeError, match=r"Sequential\.0\.layers is a list"):
        model.parameters()


@pytest.mark.parametrize("layer", [np.tanh, [Neg()], None])
def test_sequential_takes_modules_only(layer):
    with pytest.raises(TypeError, match=f"Sequential takes modules, got a {type(layer).__name__} as '1'"):
        Sequential(Neg(), layer)


def test_a_layer_does_not_hide_a_method():
    with pytest.raises(ValueError, match="cannot be called 'forward'"):
        Sequential(forward=Neg())


# --- Linear --------------------------------------------------------------------------------------------------------


def test_linear_is_affine(rng):
    layer = Linear(4, 3, rng=rng, dtype=np.float64)
    x = rng.normal(size=(5, 4))
    wanted = np.einsum("oi,bi->bo", layer.weight.data, x) + layer.bias.data
    np.testing.assert_allclose(layer(Tensor(x)).data, wanted, rtol=1e-13)


@pytest.mark.parametrize("in_features", [4, 784])
def test_linear_starts_uniform_within_one_over_the_root_of_its_inputs(in_features, rng):
    layer = Linear(in_features, 2000, rng=rng)
    bound = 1 / np.sqrt(in_features)
    for parameter in layer.parameters():
        scaled = parameter.data / bound
        assert parameter.dtype == np.float32
        assert -1 <= scaled.min() < -0.99
        assert 0.99 < scaled.max() <= 1
        quartiles = np.quantile(scaled, [0.25, 0.5, 0.75])
        np.testing.assert_allclose(quartiles, [-0.5, 0, 0.5], atol=0.1)


def test_linear_without_bias(rng):
    layer = Linear(4, 3, bias=False, rng=rng)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.bias is None
    assert layer(Tensor(np.zeros((2, 4), dtype=np.float32))).data.tolist() == [[0] * 3] * 2
    assert repr(layer) == "Linear(4, 3, bias=False)"


# --- OffsetL2 ------------------------------------------------------------------------------------------------------


def program(x, mu, alpha):
    return np.sqrt(np.maximum(sum(alpha[:, k] * (x[:, k, None] - mu[:, k]) ** 2 for k in range(x.shape[1])), 1e-12))


def paper(x, mu, alpha):
    return np.linalg.norm(alpha * (x[:, None] - mu), axis=2)


@pytest.mark.parametrize("formula", [program, paper], ids=lambda formula: formula.__name__)
@both_precisions
def test_offset_l2_is_its_formula(formula, dtype, rng):
    layer = OffsetL2(4, 3, form=formula.__name__, rng=rng, dtype=dtype)
    layer.alpha.data = rng.normal(0.5, 1, (3, 4)).astype(dtype)
    assert (layer.alpha.data < 0).any()
    x = rng.normal(size=(20, 4)).astype(dtype)
    received = layer(Tensor(x)).data
    assert received.dtype == dtype
    np.testing.assert_allclose(received, formula(x, layer.mu.data, layer.alpha.data), rtol=100 * np.finfo(dtype).eps)


@forms
@both_precisions
def test_offset_l2_has_gradient_0_at_zero_distance(form, dtype, rng):
    layer = OffsetL2(4, 1, form, rng=rng, dtype=dtype)
    x = Tensor(layer.mu.data.copy(), requires_grad=True)
    y = layer(x)
    y.backward()
    assert y.item() == pytest.approx(1e-6 if form == "program" else 0, rel=1e-6)
    for tensor in (x, layer.mu, layer.alpha):
        np.testing.assert_array_equal(tensor.grad, np.zeros((1, 4)))


@forms
def test_offset_l2_starts_with_normal_prototypes_and_unit_scales(form, rng):
    layer = OffsetL2(200, 100, form, rng=rng)
    assert layer.mu.data.mean() == pytest.approx(0, abs=0.003)
    assert layer.mu.data.std() == pytest.approx(0.1, rel=0.02)
    np.testing.assert_array_equal(layer.alpha.data, np.ones((100, 200), dtype=np.float32), strict=True)


def test_offset_l2_has_two_forms(rng):
    with pytest.raises(ValueError, match="unknown form 'papers' of OffsetL2; expected 'program' or 'paper'"):
        OffsetL2(4, 3, "papers", rng=rng)


# --- images --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1)])
def test_conv2d_is_scipys_correlation(stride, padding, rng):
    layer = Conv2d(2, 3, 3, stride, padding, rng=rng, dtype=np.float64)
    x = rng.normal(size=(2, 2, 6, 5))
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    received = layer(Tensor(x)).data
    for n, o in np.ndindex(2, 3):
        wanted = sum(correlate2d(padded[n, c], layer.weight.data[o, c], mode="valid") for c in range(2))
        np.testing.assert_allclose(received[n, o], wanted[::stride, ::stride] + layer.bias.data[o], rtol=1e-12)


def test_conv2d_starts_uniform_within_one_over_the_root_of_its_inputs(rng):
    layer = Conv2d(4, 500, 3, rng=rng)
    bound = 1 / 6  # one over the root of 4 · 3 · 3
    for parameter in layer.parameters():
        scaled = parameter.data / bound
        assert parameter.dtype == np.float32
        assert -1 <= scaled.min() < -0.99
        assert 0.99 < scaled.max() <= 1
        np.testing.assert_allclose(np.quantile(scaled, [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.15)


def test_conv2d_with_and_without_bias(rng):
    layer = Conv2d(2, 3, 5, stride=2, padding=1, bias=False, rng=rng)
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("weight", (3, 2, 5, 5))]
    assert repr(layer) == "Conv2d(2, 3, 5, stride=2, padding=1, bias=False)"
    assert not layer(Tensor(np.zeros((2, 2, 5, 5), dtype=np.float32))).data.any()
    shapes = [(name, p.shape) for name, p in Conv2d(2, 3, 5, rng=rng).named_parameters()]
    assert shapes == [("weight", (3, 2, 5, 5)), ("bias", (3,))]
    assert repr(Conv2d(2, 3, 5, rng=rng)) == "Conv2d(2, 3, 5, stride=1, padding=0, bias=True)"


def test_pooling_takes_the_largest_or_the_mean_of_a_window():
    x = Tensor([[[[1.0, 2.0, 9.0], [3.0, 6.0, 9.0]]]])
    assert MaxPool2d(2)(x).data.tolist() == [[[[6]]]]
    assert AvgPool2d(2)(x).data.tolist() == [[[[3]]]]
    assert repr(Sequential(a=MaxPool2d(2), b=AvgPool2d(3))) == "Sequential(\n  a: MaxPool2d(2)\n  b: AvgPool2d(3)\n)"


def test_rows_become_images_and_images_rows(rng):
    rows = Tensor(rng.normal(size=(4, 2 * 3 * 5)), requires_grad=True)
    images = Unflatten(2, 3, 5)(rows)
    np.testing.assert_array_equal(images.data[1, 0, 2], rows.data[1, 10:15])
    again = Flatten()(images)
    np.testing.assert_array_equal(again.data, rows.data, strict=True)
    again.backward(2 * rows.data)
    np.testing.assert_array_equal(rows.grad, 2 * rows.data, strict=True)
    assert Flatten()(Tensor(np.zeros((0, 2, 3)))).shape == (0, 6)
    assert repr(Unflatten(2, 3, 5)) == "Unflatten(2, 3, 5)"


def test_what_is_no_image_is_refused(rng):
    with pytest.raises(ShapeError, match=re.escape("takes x of shape (batch, 2, height, width), got (4, 3, 5, 5)")):
        Conv2d(2, 3, 5, rng=rng)(Tensor(np.zeros((4, 3, 5, 5))))
    with pytest.raises(ShapeError, match=re.escape("Unflatten(2, 3, 5) takes x of shape (batch, 30), got (4, 29)")):
        Unflatten(2, 3, 5)(Tensor(np.zeros((4, 29))))
    with pytest.raises(TypeError, match=re.escape("make it dense with Tensor(x.dense())")):
        Unflatten(2, 3, 5)(SparseMatrix(np.ones((4, 30), dtype=np.uint8)))


# --- wrong inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (5, 3), (2, 5, 4)])
@pytest.mark.parametrize("layer", [Linear, OffsetL2])
def test_inputs_of_another_shape_are_refused(layer, shape, rng):
    layer = layer(4, 3, rng=rng)
    with pytest.raises(ShapeError, match=re.escape(f"{layer!r} takes x of shape (batch, 4), got {shape}")):
        layer(Tensor(np.zeros(shape)))


def test_an_activation_is_known_by_its_name():
    with pytest.raises(ValueError, match="unknown activation 'Relu'; expected one of ReLU, Abs, "):
        Activation("Relu")


def test_a_module_takes_an_array_a_tensor_and_a_sparse_matrix_alike(rng):
    pixels = (rng.integers(0, 256, (70, 6)) * rng.integers(0, 2, (70, 6))).astype(np.uint8)
    layer = Sequential(linear=Linear(6, 3, rng=rng), act=Activation("ReLU"))
    dense = pixels.astype(np.float32)
    outputs = [layer(x).data for x in (dense, Tensor(dense), SparseMatrix(pixels))]
    assert isinstance(Neg()([1.0]), Tensor)
    np.testing.assert_array_equal(outputs[0], outputs[1], strict=True)
    np.testing.assert_allclose(outputs[2], outputs[1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", [Linear, OffsetL2, Activation, Conv2d, MaxPool2d, AvgPool2d, Unflatten])
def test_what_a_layer_holds_is_declared_in_its_class(kind, rng):
    layers = {
        Linear: lambda: Linear(2, 3, rng=rng),
        OffsetL2: lambda: OffsetL2(2, 3, rng=rng),
        Activation: lambda: Activation("Abs"),
        Conv2d: lambda: Conv2d(1, 2, 3, rng=rng),
        MaxPool2d: lambda: MaxPool2d(2),
        AvgPool2d: lambda: AvgPool2d(2),
        Unflatten: lambda: Unflatten(1, 2, 3),
    }
    declared = {name for name, kind_of in kind.__annotations__.items() if "ClassVar" not in kind_of}
    assert vars(layers[kind]()).keys() == declared
