"""``import tinydist`` is cheap, and offers all that it promises."""

import configparser
import inspect
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

import tinydist
from tinydist import exercises

ROOT = Path(__file__).parents[1]
HEAVY = ["matplotlib", "numba", "numpy", "scipy", "tinydist.datasets", "tinydist.tensor", "tinydist.trace"]


def output_of(program):
    """Run a program in a fresh Python, which has imported nothing yet."""
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize(
    "program",
    [
        "import tinydist; dir(tinydist)",
        "import tinydist.command_line",
        "import tinydist.exercises; dir(tinydist.exercises)",
        "from tinydist.exercises import NotWrittenYet",
        "from tinydist.__main__ import main; main([])",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(program):
    assert output_of(f"{program}\nimport sys; print([name for name in {HEAVY} if name in sys.modules])")[-2:] == "[]"


def test_every_public_name_can_be_imported_from_a_fresh_start():
    output_of("".join(f"from tinydist import {name}\n" for name in tinydist.__all__))
    output_of("import tinydist as td\n" + "".join(f"td.{name}\n" for name in tinydist.__all__))
    output_of("from tinydist.exercises import NotWrittenYet, check")


def test_a_star_imports_the_public_names():
    program = "before = {*globals(), 'before'}; from tinydist import *; print(sorted({*globals()} - before))"
    assert output_of(program) == str(sorted(tinydist.__all__))


def test_modules_are_there_without_an_import_of_their_own():
    assert output_of("import tinydist as td; td.nn.Linear; print(td.ops.__name__, td.training.__name__)") == (
        "tinydist.ops tinydist.training"
    )


@pytest.mark.parametrize(
    "program",
    [
        "",
        "import tinydist.gradcheck",
        "import tinydist; tinydist.gradcheck; import tinydist.gradcheck",
        "from tinydist.gradcheck import central_difference",
        "from tinydist import gradcheck; import tinydist.gradcheck",
        "from importlib import import_module; import_module('tinydist.gradcheck')",
        "import tinydist, sys; import tinydist.gradcheck; del sys.modules['tinydist.gradcheck'], tinydist.gradcheck",
        "import tinydist.exercises.probes",
        "from tinydist import *",
    ],
)
def test_gradcheck_is_the_function_whatever_was_imported_before(program):
    output_of(
        f"{program}\n"
        "import sys, tinydist\n"
        "from tinydist import gradcheck\n"
        "assert gradcheck is tinydist.gradcheck is sys.modules['tinydist.gradcheck'].gradcheck\n"
        "assert callable(gradcheck)\n"
    )


@pytest.mark.parametrize("package", [tinydist, exercises])
def test_an_unknown_name_is_refused_with_the_known_ones(package):
    with pytest.raises(AttributeError) as caught:
        package.Tensro  # noqa: B018
    words = f"module '{package.__name__}' has no attribute 'Tensro'; it offers {', '.join(package.__all__)}"
    assert str(caught.value) == words
    with pytest.raises(ImportError, match="cannot import name 'Tensro'"):
        exec(f"from {package.__name__} import Tensro")
    assert not hasattr(package, "__wrapped__")


def test_the_package_lists_its_public_names():
    assert [name for name in dir(tinydist) if not name.startswith("__")] == tinydist.__all__
    assert [name for name in dir(exercises) if not name.startswith("__")] == exercises.__all__
    assert inspect.getdoc(tinydist) == tinydist.__doc__.strip()
    page = pydoc.plain(pydoc.render_doc(tinydist))
    for words in ("class Tensor(", "gradcheck(", "build_model(", f"VERSION\n    {tinydist.__version__}"):
        assert words in page


def test_public_functions_and_what_uses_the_package_are_pickled_by_name():
    for name in ("Tensor", "gradcheck", "build_model"):
        assert pickle.loads(pickle.dumps(getattr(tinydist, name))) is getattr(tinydist, name)
    assert isinstance(tinydist, ModuleType)
    assert pickle.loads(cloudpickle.dumps(tinydist)) is tinydist
    assert cloudpickle.loads(cloudpickle.dumps(lambda: tinydist.Tensor))() is tinydist.Tensor


def test_every_file_beside_the_modules_is_installed_with_them():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    package = ROOT / "tinydist"
    installed = {path for line in config["options.package_data"]["tinydist"].split() for path in package.glob(line)}
    beside = {p for p in package.rglob("*") if p.is_file() and p.suffix != ".py" and "__pycache__" not in p.parts}
    assert beside == installed
