"""check_numbers names the op, the entry and the line, which is looked up here by a mark at its end."""

import gc
import re
import warnings
import weakref
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest

import tinydist as td
from tinydist import Tensor, apply, no_grad
from tinydist.errors import NotFiniteError
from tinydist.recording import watchers, watching
from tinydist.trace import check_numbers

SOURCE = Path(__file__).read_text(encoding="utf-8").splitlines()


def leaf(data, dtype=float):
    return Tensor(data, requires_grad=True, dtype=dtype)


@contextmanager
def refused(message, mark=None):
    """The block raises, says this, and shows the line of this file that ends in the mark."""
    with pytest.raises(NotFiniteError) as caught, check_numbers():
        yield caught
    said, *where = str(caught.value).split("\n")
    assert re.search(message, said), said
    if mark:
        (number,) = (i for i, line in enumerate(SOURCE, start=1) if line.endswith(f"# {mark}"))
        assert where == [f"  {__file__}, line {number}: {SOURCE[number - 1].strip()}"]
    assert watchers() == ()


# --- forward -------------------------------------------------------------------------------------------------------


def test_forward_names_op_entry_inputs_and_line():
    x = leaf([[1.0, 2.0], [0.0, 0.0]])
    with refused(
        r"^'log' made -inf at index \[1, 0\] \(and 1 more\) from finite inputs: 0\. It was called here:$", "one"
    ):
        x.exp()
        x.log()  # one


def test_both_inputs_of_the_entry_are_shown():
    with refused(r"'div' made inf at index \[1\] from finite inputs: 5, 0\.", "two"):
        leaf([3.0, 5.0]) / np.array([2.0, 0.0])  # two


def test_inputs_of_other_shapes_are_shown_by_their_range():
    with refused(r"'mul' made inf at index \[0\] from finite inputs: 1e\+200, 1e\+200\.", "three"):
        leaf([1e200]) * 1e200  # three
    with refused(r"'matmul' made inf at index \[0, 0\] from finite inputs: 1 … 1e\+200 of shape \(1, 2\), 0 … 1e\+200"):
        leaf([[1e200, 1.0]]) @ np.array([[1e200], [0.0]])


def test_a_number_has_no_index():
    with refused(r"^'log' made -inf from finite inputs: 0\.", "four"):
        leaf(0.0).log()  # four


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_integers_and_truth_values(dtype):
    ones, zeros = Tensor(np.ones(2, dtype=dtype)), Tensor(np.zeros(2, dtype=dtype))
    with refused(r"'div' made inf at index \[0\] \(and 1 more\) from finite inputs: 1, 0\."):
        ones / zeros
    with refused(r"'div' made inf at index \[0\] \(and 1 more\) from finite inputs: 1, 0\."):
        ones / zeros[0]
    with check_numbers():
        assert (ones + ones).data.tolist() == [2, 2]


def test_bad_data_are_told_from_an_op_that_fails():
    message = (
        r"'relu' was given nan at index \[1\] in input 0, of shape \(3,\), which no op in this block computed: look"
    )
    with refused(message, "five"):
        Tensor([1.0, np.nan, 2.0]).relu()  # five
    with refused(r"'add' was given inf at index \[0\] \(and 1 more\) in input 1", "six"):
        Tensor([1.0, 2.0]) + np.array([np.inf, -np.inf])  # six


def test_an_op_inside_a_lambda_is_named_where_the_lambda_is_written():
    shift = lambda x: x - 1  # noqa: E731
    root = lambda x: x.sqrt()  # noqa: E731 # seven
    with refused(r"'sqrt' made nan at index \[0\]", "seven"):
        root(shift(leaf([0.0])))


def test_a_layer_is_named_where_the_model_is_called():
    model = td.nn.Sequential(linear0=td.nn.Linear(2, 3, rng=np.random.default_rng(0)), act0=td.nn.Activation("Abs"))
    model.linear0.weight.data[1] = np.inf
    with refused(r"'linear' was given inf at index \[1, 0\] \(and 1 more\) in input 1, of shape \(3, 2\)", "eight"):
        model(Tensor(np.ones((1, 2), dtype=np.float32)))  # eight


def test_an_op_of_your_own():
    def inverse(x):
        return 1 / x, (lambda g: -g / x**2,)

    with refused(r"'inverse' made inf at index \[0\]", "nine"):
        apply(inverse, leaf([0.0]))  # nine


def test_ops_without_a_graph_are_checked_too():
    with refused(r"'exp' made inf", "ten"), no_grad():
        leaf([1000.0]).exp()  # ten


def test_an_op_that_turns_bad_numbers_into_good_ones_passes():
    with check_numbers():
        assert Tensor([np.inf, 2.0]).clamp(0.0, 1.0).data.tolist() == [1, 1]


# --- backward ------------------------------------------------------------------------------------------------------


def test_backward_names_the_rule_the_entry_and_the_line_that_called_the_op():
    message = (
        r"^the gradient rule of 'steep' made inf at index \[1\] in the gradient of input 0, which is 0 there; "
        r"the gradient that came in was finite, up to 2 in size\. The op was called here:$"
    )

    def steep(x):
        return np.sqrt(x), (lambda g: g / (2 * np.sqrt(x)),)

    x = leaf([1.0, 0.0])
    with refused(message, "eleven"):
        y = apply(steep, x) * 2  # eleven
        y.sum().backward()


def test_the_input_whose_gradient_went_wrong_is_counted_from_0():
    def scaled(x, y):
        return x * y, (lambda g: g * y, lambda g: g * x / 0)

    with refused(r"rule of 'scaled' made nan .* of input 1, which is 3 there", "twelve"):
        apply(scaled, leaf([0.0]), leaf([3.0])).sum().backward()  # twelve


def test_a_bad_seed_is_told_from_a_rule_that_fails():
    x = leaf([1.0, 2.0])
    with refused(
        r"^the gradient given to backward, for the result of 'exp', has nan at index \[1\]\. Computed", "thirteen"
    ):
        y = x.exp()  # thirteen
        y.backward([1.0, np.nan])


def test_a_bad_seed_for_a_leaf():
    with refused(r"^the gradient given to backward, for a leaf of shape \(2,\), has inf at index \[0\]") as caught:
        leaf([1.0, 2.0]).backward([np.inf, 1.0])
    assert str(caught.value).endswith("\n  (a leaf: no op computed it)")


def test_finite_gradients_whose_sum_is_too_large():
    x = leaf([1.0])
    with refused(r"the gradient of the result of 'mul' has inf at index \[0\]: it is used several times", "fourteen"):
        y = x * 1e-10  # fourteen
        (y * 1.5e308 + y * 1.5e308).backward([1.0])


def test_an_op_computed_before_the_block():
    def broken(x):
        return x * 1, (lambda g: g * np.nan,)

    y = apply(broken, leaf(1.0))
    with refused("rule of 'broken' made nan") as caught:
        y.backward()
    assert str(caught.value).endswith("\n  (computed before the numbers were checked)")


def test_a_gradient_of_nothing():
    def from_nothing(x):
        return np.empty(0), (lambda _: x * np.nan,)

    with refused("rule of 'from_nothing' made nan .* finite, up to 0 in size"):
        apply(from_nothing, leaf([1.0])).sum().backward()


# --- what it leaves alone ------------------------------------------------------------------------------------------


def test_good_numbers_pass_and_are_what_they_are_without():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(5, 4))
    gradients = []
    for block in (check_numbers(), nullcontext()):
        x = leaf(data)
        with block:
            (x @ data.T).tanh().sum().backward()
        gradients.append(x.grad)
    assert gradients[0].tobytes() == gradients[1].tobytes()


def test_after_the_block_nothing_is_checked_and_numpy_warns_again():
    with check_numbers():
        pass
    assert watchers() == ()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        Tensor([0.0]).log()
    with pytest.raises(NotFiniteError), check_numbers():
        Tensor([0.0]).log()
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        Tensor([0.0]).log()


def test_threads_that_multiply_large_matrices_do_not_warn_either():
    large = np.full((400, 300), 1e38, dtype=np.float32)
    with refused(r"'matmul' made (inf|nan) at index \[0, 0\]", "fifteen"):
        Tensor(large) @ large.T  # fifteen


def test_numpy_told_to_raise_does_not_come_first():
    with np.errstate(all="raise"), refused(r"'log' made -inf"):
        leaf([0.0]).log()


def test_other_warnings_still_show():
    with pytest.warns(UserWarning, match="look out"), check_numbers():
        warnings.warn("look out", UserWarning, stacklevel=1)


def test_blocks_may_be_nested_and_watched():
    class Counter:
        ops = 0

        def computed(self, *_):
            self.ops += 1

        def pulled_back(self, *_):
            pass

    counter = Counter()
    with watching(counter), pytest.raises(NotFiniteError), check_numbers(), check_numbers():
        leaf([0.0]).exp().log().log()
    assert counter.ops == 3


def test_tensors_are_not_kept():
    with check_numbers():
        x = leaf([1.0, 2.0])
        middle = x.exp()
        middle.sum().backward()
        kept = [weakref.ref(x), weakref.ref(middle)]
        del x, middle
        gc.collect()
        assert [reference() for reference in kept] == [None, None]
