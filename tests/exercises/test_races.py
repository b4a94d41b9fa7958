"""What the search for races says about kernels that a learner might write."""

import inspect
import sys
import textwrap
from pathlib import Path

import numba
import numpy as np
import pytest

from tinydist.exercises.chances import OrderMatters, Race, Unwritten
from tinydist.exercises.races import TooLong, find_race
from tinydist.kernels import dense, distance

IMPORTS = "import numpy as np\nfrom numba import njit, prange\n"
DEFINITION = "@njit(parallel=True)\ndef product(a, b):\n"

A = np.random.default_rng(0).uniform(-1, 1, (5, 4))
B = np.random.default_rng(1).uniform(-1, 1, (4, 5))


@pytest.fixture
def search(tmp_path):
    """What is found in product(a, b), whose body starts in line 5 of the file."""

    def find(body, before=IMPORTS, definition=DEFINITION):
        body = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        return find_race(f"{before}{definition}{body}\n", tmp_path / "answer.py", "product", [A, B])

    return find


ROWS = """
product = np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)
for i in prange(a.shape[0]):
    for k in range(a.shape[1]):
        for j in range(b.shape[1]):
            product[i, j] += a[i, k] * b[k, j]
return product
"""

TERMS = """
product = np.zeros((a.shape[0], b.shape[1]))
for k in prange(a.shape[1]):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            product[i, j] += a[i, k] * b[k, j]
return product
"""

TERMS_OF_A_ROW = """
product = np.zeros((a.shape[0], b.shape[1]))
for i in range(a.shape[0]):
    for k in prange(a.shape[1]):
        for j in range(b.shape[1]):
            product[i, j] += a[i, k] * b[k, j]
return product
"""

COLUMNS = """
product = np.zeros((a.shape[0], b.shape[1]))
for j in prange(b.shape[1]):
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            product[i, j] += a[i, k] * b[k, j]
return product
"""

PAIRS = """
n, m = a.shape[0], b.shape[1]
product = np.zeros(n * m)
for p in prange(n * m):
    for k in range(a.shape[1]):
        product[p] += a[p // m, k] * b[k, p % m]
return product.reshape(n, m)
"""

BLOCKS = """
product = np.zeros((a.shape[0], b.shape[1]))
for block in prange(3):
    for i in range(2 * block, min(2 * block + 2, a.shape[0])):
        for j, column in enumerate(b.T):
            product[i, j] = np.sum(a[i] * column)
return product
"""

ROW_BY_ROW = """
product = np.empty((a.shape[0], b.shape[1]))
for i in prange(a.shape[0]):
    product[i, :] = 0
    for k in range(a.shape[1]):
        product[i] += a[i, k] * b[k]
return product
"""

VIEWS = """
product = np.empty((a.shape[0], b.shape[1]))
for i in prange(a.shape[0]):
    scratch = np.zeros_like(product[0])
    scratch += np.dot(a[i], b)
    np.add(scratch, len(product), out=product[i])
    product.T[:, i] -= product.shape[0]
    product[i, scratch < 0] = scratch[scratch < 0]
return product
"""

INNER = """
product = np.zeros((a.shape[0], b.shape[1]))
for i in prange(a.shape[0]):
    for k in prange(a.shape[1]):
        for j in range(b.shape[1]):
            product[i, j] += a[i, k] * b[k, j]
return product
"""

WHOLE_ARRAYS = """
product = np.zeros((a.shape[0], b.shape[1]))
for k in prange(a.shape[1]):
    product += np.outer(a[:, k], b[k])
return product
"""

SUM = """
total = 0.0
for i in prange(a.shape[0]):
    total += np.sum(a[i])
return total
"""


@pytest.mark.parametrize("body", [ROWS, COLUMNS, PAIRS, BLOCKS, ROW_BY_ROW, VIEWS, INNER, WHOLE_ARRAYS, SUM])
def test_turns_that_keep_to_themselves_are_fine(search, body):
    assert search(body) is None


@pytest.mark.parametrize("decorator", ["", "@njit\n", "@njit(cache=True, fastmath=True)\n"])
def test_nothing_is_shared_out_without_parallel(search, decorator):
    assert search(TERMS, definition=f"{decorator}def product(a, b):\n") is None


@pytest.mark.parametrize(
    ("imports", "decorator"),
    [
        ("import numba, numpy as np\nprange = numba.prange", "@numba.njit(parallel=True)"),
        ("import numba as nb\nimport numpy; np, prange = numpy, nb.prange", "@nb.jit(nopython=True, parallel=True)"),
        ("from numba import njit as fast, prange\nimport numpy as np", "@fast(parallel=True)"),
        (
            "from numpy import zeros\nimport numpy.linalg, numpy as np; from numba import *",
            "@njit('f8(f8)', parallel=True)",
        ),
        (
            "import numba.core, numpy as np\nfrom numba import b1, njit, prange",
            "@njit(parallel=True, locals={'x': b1})",
        ),
    ],
)
def test_numba_is_recognised_under_any_name(search, imports, decorator):
    definition = f"{decorator}\ndef product(a, b):\n"
    assert isinstance(search(TERMS, f"{imports}\n", definition), Race)
    assert search(ROWS, f"{imports}\n", definition) is None
    assert sys.modules["numba"] is numba


def test_numpys_functions_are_watched_under_any_name(search):
    imports = "from numba import njit, prange\nfrom numpy import empty, zeros as cleared\n"
    loop = "for i in prange(5):\n    out[0] = i\nreturn out"
    assert isinstance(search(f"out = cleared(1)\n{loop}", imports), Race)
    assert isinstance(search("return empty(1) + 1", imports), Unwritten)
    assert isinstance(search(f"import numpy as inside\nout = inside.full_like(a, 1)\n{loop}"), Race)


def test_a_function_may_be_compiled_after_its_definition(search):
    terms = f"def terms(a, b):{textwrap.indent(TERMS, '    ')}compiled = njit(terms, parallel=True)\n"
    assert isinstance(search("return compiled(a, b)", IMPORTS + terms), Race)


def test_a_race_is_told_with_its_element_turns_and_lines(search):
    for body, loop, line in [(TERMS, 6, 9), (TERMS_OF_A_ROW, 7, 9)]:
        found = search(body)
        assert isinstance(found, Race)
        assert f"Two turns of the prange loop in line {loop} write to the same place" in found.text
        assert f"product[0, 0] is written by the turns 0 and 1 (line {line})" in found.text


@pytest.mark.parametrize(
    "turn",
    [
        "out[i % 2] = a[i, 0]",
        "out[:] += a[i, 0]",
        "out[out < 1] = a[i, 0]",
        "out[np.array([1, 3])] = i",
        "out.reshape(5, 1).T[0, 2:] = i",
        "np.add(out, 1, out=out)",
        "np.dot(a, b[:, i], out)",
        "np.copyto(out, a[:, 0])",
        "out[1:].fill(i)",
        "out.flat[0] = i",
        "out **= 2",
        "last = out[-1:]; last += 1",
        "np.asarray(out)[3] = i",
    ],
)
def test_a_write_to_one_place_in_two_turns_is_a_race(search, turn):
    found = search(f"out = np.zeros(5)\nfor i in prange(5):\n    {turn}\nreturn out")
    assert isinstance(found, Race)
    assert "is written by the turns" in found.text


@pytest.mark.parametrize(
    "turn",
    [
        "out[i] = out[i - 1] + 1",
        "out[i] = np.sum(out)",
        "out[i] = out[::-1][i] + a[i, 0]",
        "out[i] = sum(out)",
        "out[i] = np.dot(out, b[0])",
        "out[i] = out.copy()[i]",
        "out[i] = (out * 2)[i]",
        "out[i] = np.argmax(out)",
        "out[i] = np.sqrt(out)[0]",
        "out += 1; a[i, 0] = out[i]",
        "if out.any(): out[i] = 1\n    else: out[i] = 2",
    ],
)
def test_a_read_of_what_another_turn_writes_is_a_race(search, turn):
    found = search(f"out = np.zeros(5)\nfor i in prange(5):\n    {turn}\nreturn out")
    assert isinstance(found, Race)
    assert "reads what another turn writes" in found.text


def test_a_neighbour_that_is_read_is_told_with_both_turns(search):
    found = search("out = np.zeros(5)\nfor i in prange(1, 5):\n    out[i] = (\n        out[i - 1] + 1)\nreturn out")
    assert "out[1] is written by the turn 1 (line 7) and read by the turn 2 (line 8)" in found.text


def test_a_scratch_row_for_all_turns_is_a_race(search):
    found = search("""
        product = np.empty((5, 5))
        scratch = np.empty(5)
        for i in prange(5):
            scratch[:] = a[i] @ b
            product[i] = scratch
        return product
    """)
    assert "scratch[0] is written by the turns 0 and 1 (line 8)" in found.text


def test_inputs_are_watched_but_left_as_they_are(search):
    before = A.copy()
    assert "a[0, 0] is written by the turns 0 and 1" in search("for i in prange(5):\n    a[0, 0] = i").text
    assert search("for i in prange(5):\n    a[i] = 0") is None
    np.testing.assert_array_equal(A, before)


def test_helper_kernels_belong_to_the_turn_that_calls_them(search):
    helper = "@njit\ndef add_to(row, x):\n    for j in range(len(x)):\n        row[j] += x[j]\n"
    whole = "@njit\ndef add_to(row, x):\n    row += x\n"
    call = "product = np.zeros((5, 5))\nfor i in prange(5):\n    add_to(product[{}], a[i] @ b)\nreturn product"
    for text in (helper, whole):
        assert search(call.format("i"), IMPORTS + text) is None
        assert "product[0, 0] is written by the turns 0 and 1" in search(call.format("0"), IMPORTS + text).text
    assert isinstance(search(call.format(":"), IMPORTS + whole), Race)  # numba copies only what the loop itself adds to


def test_an_array_may_have_no_name(search):
    helper = "@njit(parallel=True)\ndef fill(arrays):\n    for i in prange(3):\n        arrays[0][1] = i\n"
    found = search("fill((np.zeros(3), a))", IMPORTS + helper)
    assert "an array[1] is written by the turns 0 and 1" in found.text


def test_a_sum_onto_memory_that_was_not_cleared_is_found(search):
    for allocation in ("np.empty((5, 5))", "np.empty_like(np.zeros((5, 5)))"):
        found = search(ROWS.replace("np.zeros((a.shape[0], b.shape[1]), dtype=a.dtype)", allocation))
        assert isinstance(found, Unwritten)
        assert "product[0, 0] is read in line 9" in found.text
        assert "np.empty" in found.text
    assert isinstance(search(WHOLE_ARRAYS.replace("zeros", "empty")), Unwritten)


def test_an_element_that_is_never_written_is_found_in_the_result(search):
    found = search("out = np.empty((2, 2)); out[0] = out[:, 0] = 1\nreturn a, out")
    assert isinstance(found, Unwritten)
    assert "result[1][1, 1] is returned" in found.text


def test_a_running_total_needs_the_order_of_the_turns(search):
    found = search("""
        out, total = np.zeros(5), 0.0
        for i in prange(1):
            out[i] = 1
        for i in prange(5):
            total += a[i, 0]
            out[i] = total
        return out
    """)
    assert isinstance(found, OrderMatters)
    assert "the prange loop in line 8" in found.text
    totals = np.cumsum(A[:, 0])[0], np.cumsum(A[::-1, 0])[-1]
    assert f"result[0] = {totals[0]}, in reverse order " in found.text
    assert float(found.text.partition("reverse order ")[2].split(". ")[0]) == pytest.approx(totals[1])


def test_whole_numbers_must_not_depend_on_the_order_at_all(search):
    assert isinstance(search("last = 0\nfor i in prange(5):\n    last = i\nreturn last"), OrderMatters)
    assert search("most = 0\nfor i in prange(5):\n    most = max(most, i)\nreturn most") is None


def test_an_exception_passes_through(search):
    with pytest.raises(IndexError, match="out of bounds"):
        search("for i in prange(9):\n    a[i] = 0")


def test_an_endless_kernel_is_given_up(search, monkeypatch):
    monkeypatch.setattr("tinydist.exercises.races.MOST_ACCESSES", 100)
    with pytest.raises(TooLong):
        search("while True:\n    a[0] = 0")


def test_what_else_the_file_does_is_not_done_again(search, capsys):
    before = "print(1)\nfor n in range(3):\n    print(n)\n"
    assert search(ROWS, before + IMPORTS) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("module", "name", "shapes"),
    [
        (dense, "matmul_numba", [(5, 4), (4, 5)]),
        (dense, "_column_terms", [(5, 4), (2, 1, 4)]),
        (distance, "weighted_squares_numba", [(5, 4), (3, 4), (3, 4)]),
        (distance, "_weighted_squares_vjp_x", [(5, 3), (5, 4), (3, 4), (3, 4), (5, 4)]),
        (distance, "_center_terms", [(5, 3), (5, 4), (3, 4), (2, 3, 4)]),
        (distance, "_weight_terms", [(5, 3), (5, 4), (3, 4), (2, 3, 4)]),
    ],
)
def test_the_librarys_own_kernels_have_no_race(module, name, shapes):
    source = inspect.getsource(module)
    for dtype in (np.float64, np.float32):
        inputs = [np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype) for shape in shapes]
        assert find_race(source, Path(module.__file__), name, inputs) is None
