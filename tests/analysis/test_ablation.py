"""Changes of an OffsetL2 layer and what its gradient cancels, against both written out in plain NumPy."""

import numpy as np
import pytest

import tinydist as td
from tinydist.activity import layer_outputs
from tinydist.analysis import ablation
from tinydist.analysis.ablation import (
    Ablation,
    ablate,
    ablation_figure,
    ablation_table,
    cancellation,
    changes,
    gradient_terms,
)
from tinydist.errors import ShapeError
from tinydist.gradcheck import central_difference
from tinydist.sparse import SparseMatrix

NAMES = ["mu = 0", "alpha = 1", "alpha = mean", "mu exchanged", "alpha exchanged", "mu = mean"]
CLASSES = 4

MODELS = pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name in ("ReLU-L2", "Abs-L2-Neg") for form in ("program", "paper")]
)


def trained(name, form, rng, dtype=float):
    """A small model whose prototypes and scales are far from those of the start."""
    model = td.build_model(name, in_features=5, hidden=6, classes=CLASSES, seed=1)
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(dtype)
    model.offset.form = form
    model.linear0.weight.data *= 3  # activations as large as the prototypes
    model.offset.mu.data = rng.normal(0, 1, (CLASSES, 6)).astype(dtype)
    # A few scales are negative. In the program's form some sums are, too, and their outputs are at the floor.
    model.offset.alpha.data = rng.normal(0.6, 0.8, (CLASSES, 6)).astype(dtype)
    return model


def images(rng, count=200):
    return rng.normal(size=(count, 5)), rng.integers(0, CLASSES, count)


def hidden_by_hand(model, name, x):
    before = x @ model.linear0.weight.data.T + model.linear0.bias.data
    return np.maximum(before, 0) if name.startswith("ReLU") else np.abs(before)


def outputs_by_hand(name, form, h, mu, alpha):
    """The outputs for one row of hidden activations, class by class."""
    sign = -1 if name.endswith("Neg") else 1
    if form == "paper":
        return np.array([sign * np.linalg.norm(alpha[k] * (h - mu[k])) for k in range(CLASSES)])
    return np.array([sign * np.sqrt(max(sum(alpha[k] * (h - mu[k]) ** 2), 1e-12)) for k in range(CLASSES)])


def accuracy_by_hand(name, form, hidden, labels, mu, alpha):
    right = [
        np.argmax(outputs_by_hand(name, form, h, mu, alpha)) == label for h, label in zip(hidden, labels, strict=True)
    ]
    return 100 * sum(right) / len(right)


def changed_by_hand(form, mu, alpha):
    scales = [[abs(a) if form == "paper" else a for a in row] for row in alpha]
    return {
        "mu = 0": ([[0.0] * 6] * CLASSES, alpha),
        "alpha = 1": (mu, [[1.0] * 6] * CLASSES),
        "alpha = mean": (mu, [[sum(row) / 6] * 6 for row in scales]),
        "mu exchanged": ([mu[3], mu[0], mu[1], mu[2]], alpha),
        "alpha exchanged": (mu, [alpha[3], alpha[0], alpha[1], alpha[2]]),
        "mu = mean": ([[sum(mu[k][j] for k in range(CLASSES)) / CLASSES for j in range(6)]] * CLASSES, alpha),
    }


# --- changes -------------------------------------------------------------------------------------------------------


@MODELS
def test_accuracies_after_each_change_written_out(name, form, rng):
    model, (x, labels) = trained(name, form, rng), images(rng)
    labels = np.where(rng.uniform(size=200) < 0.7, model(x).data.argmax(axis=1), labels)  # as if it had learned
    mu, alpha, hidden = model.offset.mu.data, model.offset.alpha.data, hidden_by_hand(model, name, x)
    found = ablate(model, x, labels)
    assert [one.change for one in found] == NAMES
    before = accuracy_by_hand(name, form, hidden, labels, mu, alpha)
    for one in found:
        changed = map(np.array, changed_by_hand(form, mu.tolist(), alpha.tolist())[one.change])
        after = accuracy_by_hand(name, form, hidden, labels, *changed)
        assert (one.before, one.after) == pytest.approx((before, after), abs=1e-9)
        assert one.drop == pytest.approx(before - after, abs=1e-9)
        assert after != pytest.approx(before, abs=1)  # or the change could be left out
    assert len({one.after for one in found}) == 6  # or one change could be taken for another


@pytest.mark.parametrize("form", ["program", "paper"])
def test_changed_parameters_written_out(form, rng):
    layer = trained("Abs-L2", form, rng).offset
    expected = changed_by_hand(form, layer.mu.data.tolist(), layer.alpha.data.tolist())
    found = changes(layer)
    assert list(found) == NAMES
    for name, (mu, alpha) in found.items():
        np.testing.assert_allclose(mu, expected[name][0], rtol=1e-12)
        np.testing.assert_allclose(alpha, expected[name][1], rtol=1e-12)


def test_signs_of_scales_matter_to_the_program_only(rng):
    model, (x, labels) = trained("Abs-L2", "paper", rng), images(rng)
    flipped = trained("Abs-L2", "paper", np.random.default_rng(0))
    flipped.offset.alpha.data *= rng.choice([-1, 1], (CLASSES, 6))
    assert ablate(model, x, labels) == ablate(flipped, x, labels)
    model.offset.form = flipped.offset.form = "program"
    assert ablate(model, x, labels) != ablate(flipped, x, labels)


def test_one_prototype_for_all_and_equal_scales_leave_the_first_class(rng):
    model, (x, labels) = trained("ReLU-L2", "program", rng), images(rng)
    model.offset.alpha.data = np.ones((CLASSES, 6))
    after = {one.change: one.after for one in ablate(model, x, labels)}
    assert after["mu = 0"] == after["mu = mean"] == pytest.approx(100 * np.mean(labels == 0))


def test_sparse_images_are_images(rng):
    model, (x, labels) = trained("ReLU-L2-Neg", "program", rng, np.float32), images(rng)
    sparse = SparseMatrix(np.where(x > 0, 60 * x, 0).astype(np.uint8), scale=1 / 64)
    assert ablate(model, sparse, labels) == ablate(model, sparse.dense(), labels)
    np.testing.assert_allclose(
        cancellation(model, sparse, labels), cancellation(model, sparse.dense(), labels), rtol=1e-4
    )


# --- the model stays as it is --------------------------------------------------------------------------------------


def bits(model):
    """All that a change could leave behind: the arrays themselves, their bits, and gradients."""
    return [
        (name, id(tensor), id(tensor.data), tensor.data.dtype, tensor.data.tobytes(), tensor.grad.tobytes())
        for name, tensor in model.named_parameters()
    ]


@MODELS
@pytest.mark.parametrize("analyse", [ablate, cancellation])
def test_the_model_keeps_its_bits(name, form, analyse, rng):
    model, (x, labels) = trained(name, form, rng, np.float32), images(rng)
    for parameter in model.parameters():
        parameter.grad = rng.normal(size=parameter.shape).astype(np.float32)
    before, outputs = bits(model), model(x).data
    analyse(model, x, labels)
    assert bits(model) == before
    np.testing.assert_array_equal(model(x).data, outputs)


@pytest.mark.parametrize("last", range(1, 8))
def test_the_model_keeps_its_bits_after_an_error(last, rng, monkeypatch):
    model, (x, labels) = trained("Abs-L2", "program", rng), images(rng)
    for parameter in model.parameters():
        parameter.grad = np.zeros(parameter.shape)
    before, calls = bits(model), []

    def fail(*_):
        calls.append(None)
        if len(calls) == last:
            raise RuntimeError("in the middle")
        return 0.0

    monkeypatch.setattr(ablation, "accuracy", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        ablate(model, x, labels)
    assert bits(model) == before


# --- the gradient --------------------------------------------------------------------------------------------------


def losses_by_hand(name, form, h, label, mu, alpha):
    outputs = outputs_by_hand(name, form, h, mu, alpha)
    return np.log(np.sum(np.exp(outputs - outputs[label])))


@MODELS
def test_terms_add_up_to_the_gradient_of_the_engine_and_to_finite_differences(name, form, rng):
    model, (x, labels) = trained(name, form, rng), images(rng, 12)
    terms = list(gradient_terms(model, x, labels))
    assert [(term.shape, term.dtype) for term in terms] == [((12, 6), np.float64)] * CLASSES
    found = sum(terms)

    hidden = td.Tensor(layer_outputs(model, x)["act0"], requires_grad=True)
    distances = model.offset(hidden)
    (12 * (-distances if name.endswith("Neg") else distances).cross_entropy(labels)).backward()
    np.testing.assert_allclose(found, hidden.grad, rtol=1e-9, atol=1e-12)

    mu, alpha = model.offset.mu.data, model.offset.alpha.data
    for h, label, gradient in zip(hidden_by_hand(model, name, x), labels, found, strict=True):

        def loss(h, label=label):
            return losses_by_hand(name, form, h, label, mu, alpha)

        slopes = [central_difference(loss, h, direction) for direction in np.eye(6)]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-7)
    assert np.abs(found).max() > 0.1


@MODELS
def test_each_term_is_that_of_its_class(name, form, rng):
    model, (x, labels) = trained(name, form, rng), images(rng, 30)
    model.offset.alpha.data[3] = [1, 1, 1, -1, -1, -1]  # the sum of the program is often negative
    mu, alpha, hidden = model.offset.mu.data, model.offset.alpha.data, hidden_by_hand(model, name, x)
    found = np.stack(list(gradient_terms(model, x, labels)), axis=1)  # (images, classes, hidden)
    ratios = cancellation(model, x, labels)
    assert ratios.shape == (30,)
    flat = 0
    for i in range(30):
        outputs = outputs_by_hand(name, form, hidden[i], mu, alpha)
        p = np.exp(outputs) / np.sum(np.exp(outputs))
        for k in range(CLASSES):
            residual = p[k] - (labels[i] == k)
            weight = alpha[k] ** 2 if form == "paper" else alpha[k]
            term = residual * weight * (hidden[i] - mu[k]) / outputs[k]  # the sign of Neg is that of the output
            at_the_floor = abs(outputs[k]) <= 1e-6
            flat += at_the_floor
            np.testing.assert_allclose(found[i, k], 0 if at_the_floor else term, rtol=1e-9, atol=1e-12)
        lengths = np.linalg.norm(found[i], axis=1)
        assert ratios[i] == pytest.approx(np.linalg.norm(found[i].sum(axis=0)) / lengths.sum(), rel=1e-9)
    assert (flat > 0) == (form == "program")  # which has outputs at the floor, so these were compared, too


# --- cancellation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ReLU-L2", "Abs-L2-Neg"])
def test_all_cancels_at_a_start_with_small_prototypes_and_in_proportion_to_them(name, rng):
    model, (x, labels) = td.build_model(name, in_features=5, hidden=6, classes=CLASSES), images(rng, 50)
    x = x[hidden_by_hand(model, name, x).max(axis=1) > 0.1].astype(np.float32)
    start, found = model.offset.mu.data, {}
    for size in (1e-2, 1e-3, 1e-4, 1e-9):
        model.offset.mu.data = start * np.float32(size)
        found[size] = cancellation(model, x, labels[: len(x)])
    assert found[1e-4].max() < 1e-3
    assert found[1e-4].min() > 0
    np.testing.assert_allclose(found[1e-3], 10 * found[1e-4], rtol=0.05)
    np.testing.assert_allclose(found[1e-4], 1e5 * found[1e-9], rtol=0.05)  # less than float32 could tell
    np.testing.assert_allclose(found[1e-2], 100 * found[1e-4], rtol=0.5)


def test_less_cancels_in_a_layer_that_has_learned(rng):
    x, labels = images(rng, 50)
    fresh = cancellation(td.build_model("Abs-L2", in_features=5, hidden=6, classes=CLASSES), x, labels)
    learned = cancellation(trained("Abs-L2", "paper", rng), x, labels)
    assert 0 < np.median(fresh) < np.median(learned) / 2
    assert learned.max() <= 1


@MODELS
def test_nothing_cancels_where_only_one_term_is_not_0(name, form, rng):
    model, (x, labels) = trained(name, form, rng), images(rng, 50)
    model.linear0.bias.data[:] = 1  # or a few images have no active unit
    model.offset.alpha.data = np.zeros((CLASSES, 6))
    model.offset.alpha.data[2] = 0.7
    assert cancellation(model, x, labels).tolist() == [1.0] * 50


def test_two_opposite_terms_cancel_by_hand():
    """Prototypes at 0 and 4, h at 1: distances 1 and 3, unit directions +1 and -1, so nothing cancels; h at 5 all."""
    model = td.build_model("ReLU-L2-Neg", in_features=1, hidden=1, classes=2)
    model.load_state_dict(
        {"linear0.weight": [[1]], "linear0.bias": [0], "offset.mu": [[0], [4]], "offset.alpha": [[1], [1]]}
    )
    x = np.array([[1.0], [5.0]])
    np.testing.assert_allclose(cancellation(model, x, np.array([1, 1])), [1, 0], atol=1e-12)
    p = 1 / (1 + np.exp(-2.0))  # of class 0 at h = 1; label 1
    first, second = gradient_terms(model, x[:1], np.array([1]))
    np.testing.assert_allclose([first[0, 0], second[0, 0]], [-p, -p], rtol=1e-12)


def test_residuals_that_are_almost_0_still_cancel():
    """At p = 1 - 1e-30 the residuals of both classes are 1e-30, with either sign; p - 1 would be 0."""
    model = td.build_model("ReLU-L2-Neg", in_features=1, hidden=1, classes=2)
    model.load_state_dict(
        {"linear0.weight": [[1]], "linear0.bias": [0], "offset.mu": [[69], [0]], "offset.alpha": [[1], [1]]}
    )
    x, labels = np.array([[70.0]]), np.array([0])
    first, second = gradient_terms(model, x, labels)
    np.testing.assert_allclose([first[0, 0], second[0, 0]], [np.exp(-69), -np.exp(-69)], rtol=1e-12)
    np.testing.assert_allclose(cancellation(model, x, labels), 0, atol=1e-12)


def test_outputs_whose_exponential_is_too_large_for_a_number():
    model = td.build_model("ReLU-L2", in_features=1, hidden=1, classes=2)
    model.load_state_dict(
        {"linear0.weight": [[1]], "linear0.bias": [0], "offset.mu": [[0], [1]], "offset.alpha": [[1], [1]]}
    )
    first, second = gradient_terms(model, np.array([[2000.0]]), np.array([0]))  # distances 2000 and 1999
    p = 1 / (1 + np.exp(1.0))  # of class 1
    np.testing.assert_allclose([first[0, 0], second[0, 0]], [-p, p], rtol=1e-12)


def test_without_any_term_there_is_no_share(rng):
    model, (x, labels) = trained("Abs-L2", "program", rng), images(rng, 3)
    model.offset.alpha.data = np.full((CLASSES, 6), -1.0)  # every sum is negative, every output at the floor
    assert np.isnan(cancellation(model, x, labels)).all()


# --- what does not fit ---------------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("analyse", [ablate, gradient_terms, cancellation])


@BOTH
@pytest.mark.parametrize("name", ["ReLU", "Abs2-Neg"])
def test_a_model_without_prototypes_is_told_what_to_do(name, analyse, rng):
    model = td.build_model(name, in_features=5, hidden=6, classes=CLASSES)
    with pytest.raises(ValueError, match=r"act0 \(Activation\), linear1 \(Linear\).*expected .*ends in -L2 or -L2-Neg"):
        analyse(model, *images(rng))


@BOTH
def test_layers_behind_the_distances_are_refused(analyse, rng):
    model = trained("Abs-L2", "program", rng)
    longer = td.nn.Sequential(**dict(model.children()), act1=td.nn.Activation("ReLU"))
    for other in (longer, td.nn.Sequential(offset=model.offset), td.nn.Sequential()):
        with pytest.raises(ValueError, match="expected one that ends in an OffsetL2 layer"):
            analyse(other, *images(rng))


def test_two_negs_are_none(rng):
    model, (x, labels) = trained("Abs-L2", "program", rng), images(rng)
    twice = td.nn.Sequential(**dict(model.children()), neg=td.nn.Neg(), again=td.nn.Neg())
    assert ablate(twice, x, labels) == ablate(model, x, labels)


@BOTH
def test_labels_that_do_not_fit_are_refused(analyse, rng):
    model, (x, labels) = trained("Abs-L2-Neg", "program", rng), images(rng)
    with pytest.raises(ShapeError, match=r"labels must be of shape \(200,\)"):
        analyse(model, x, labels[:-1])
    with pytest.raises(ValueError, match="labels must be below 4"):
        analyse(model, x, np.where(np.arange(200) == 7, CLASSES, labels))
    with pytest.raises(ValueError, match="whole numbers"):
        analyse(model, x, labels.astype(float))


@BOTH
def test_images_that_do_not_fit_are_refused(analyse, rng):
    model, (x, labels) = trained("Abs-L2-Neg", "program", rng), images(rng)
    with pytest.raises(ShapeError, match=r"\(batch, 5\)"):
        analyse(model, x[:, :4], labels)
    with pytest.raises(ShapeError, match="not empty"):
        analyse(model, x[:0], labels[:0])


@BOTH
@pytest.mark.parametrize("form", ["program", "paper"])
@pytest.mark.parametrize("weights", ["linear0.weight", "offset.mu", "offset.alpha"])
def test_weights_that_are_nan_are_refused(weights, form, analyse, rng):
    model, (x, labels) = trained("Abs-L2-Neg", form, rng), images(rng)
    dict(model.named_parameters())[weights].data[1, 2] = np.nan
    with pytest.raises(ValueError, match="must be finite, got nan"):
        analyse(model, x, labels)


def test_a_change_that_outgrows_the_numbers_is_refused(rng):
    model, (x, labels) = trained("Abs-L2", "program", rng, np.float32), images(rng)
    model.offset.alpha.data = np.full((CLASSES, 6), 2e38, dtype=np.float32)  # finite, and so is what it gives here,
    model.offset.mu.data = np.zeros((CLASSES, 6), dtype=np.float32)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="outputs after 'alpha = mean' must be finite"):
        ablate(model, x * 1e-3, labels)  # but not their sum for the mean


# --- table and figure ----------------------------------------------------------------------------------------------


def runs_of(*afters, before=90.0):
    return [[Ablation(name, before, after) for name in ("mu = 0", "alpha = 1")] for after in afters]


def test_table():
    lines = ablation_table({"ReLU-L2": runs_of(10.0, 20.0), "Abs-L2-Neg": runs_of(91.5, before=91.25)}).splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert cells[0] == ["accuracy, %", "as trained", "mu = 0", "alpha = 1"]
    assert cells[2] == ["ReLU-L2", "90.00 ± 0.00", "15.00 ± 7.07", "15.00 ± 7.07"]  # sd 10/√2
    assert cells[3] == ["Abs-L2-Neg", "91.25", "91.50", "91.50"]
    assert len(cells) == 4


def test_figure():
    runs = [
        [Ablation("mu = 0", 90, 20), Ablation("alpha = 1", 90, 91)],
        [Ablation("mu = 0", 80, 40), *runs_of(75)[0][1:]],
    ]
    figure = ablation_figure({"ReLU-L2": runs, "Abs-L2-Neg": runs[:1]}, "a protocol")
    two, one = figure.axes
    dots, means = ([line for line in two.lines if line.get_marker() == marker] for marker in "o|")
    assert [line.get_xdata().tolist() for line in dots] == [[70, 40], [-1, 15]]
    assert [line.get_xdata().item() for line in means] == [55, 7]
    assert [line.get_ydata().tolist() for line in dots] == [[-0.1, 0.1], [0.9, 1.1]]  # runs apart, around their row
    assert [line.get_ydata().tolist() for line in one.lines if line.get_marker() == "o"] == [[0], [1]]
    assert [text.get_text() for text in two.get_yticklabels()] == ["mu = 0", "alpha = 1"]
    assert (two.get_xlabel(), two.get_ylabel()) == ("drop of accuracy, % points", "change of the OffsetL2 layer")
    assert (two.get_title(), one.get_title()) == ("ReLU-L2: 85.0% as trained", "Abs-L2-Neg: 90.0% as trained")
    assert two.get_ylim()[0] > two.get_ylim()[1]  # from top to bottom
    assert [0, 0] in [list(line.get_xdata()) for line in two.lines]  # where nothing is lost
    assert "a protocol" in figure.get_suptitle()
    figure.draw_without_rendering()


@pytest.mark.parametrize("show", [ablation_table, lambda ablations: ablation_figure(ablations, "a protocol")])
@pytest.mark.parametrize(
    ("ablations", "problem"),
    [
        ({}, "{}; expected results of ablate"),
        ({"ReLU-L2": runs_of(1), "Abs-L2": []}, "'Abs-L2': 0"),
        ({"ReLU-L2": [[]]}, "at least one"),
        ({"ReLU-L2": runs_of(1), "Abs-L2": [runs_of(1)[0][:1]]}, r"'alpha = 1'\] and \['mu = 0'\]; expected the same"),
    ],
)
def test_results_that_cannot_be_shown(ablations, problem, show):
    with pytest.raises(ValueError, match=problem):
        show(ablations)
