"""Lessons as sphinx-gallery wants them, and as downloads.

A lesson is a script in jupytext's percent format with Markdown cells; sphinx-gallery reads scripts that begin with a
docstring and whose text is reStructuredText in comments. So each lesson is rewritten, with its Markdown translated by
pandoc, into the folder ``generated``; links to its exercises and to the trace are added. What a reader downloads is the
lesson as it was written. Its notebook folds what the reader should come to by themselves.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from functools import partial
from pathlib import Path

import jupytext
import pypandoc
from sphinx.application import Sphinx

from tinydist.exercises.table import EXERCISES

LESSONS = Path(__file__).resolve().parents[1]
MARKDOWN = "commonmark+tex_math_dollars+pipe_tables"
"""What Jupyter renders, in pandoc's words. Pandoc's own Markdown reads more into ~, ^ and @."""

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
"""What runs a downloaded notebook; without it Jupyter asks."""

FOLDED = {
    "Show what came out": re.compile(
        r"^\*\*Notice\.\*\*.*?(?=^## |^\*\*(?:Predict|In three|Exercise)|\Z)", re.M | re.S
    ),
    "Show an answer": re.compile(r"^\*\*Answer\.\*\*.*\Z", re.M | re.S),
}
"""What a notebook folds, by the label to click on; the site does so by ``static/folding.js``."""


def gallery_script(lesson: Path) -> str:
    """Return the lesson as a script for sphinx-gallery.

    Raises:
        ValueError: if the lesson does not begin with a Markdown cell, its title.
    """
    first, *others = jupytext.read(lesson, fmt="py:percent").cells
    if first.cell_type != "markdown":
        raise ValueError(f"{lesson.name} begins with a {first.cell_type} cell; a lesson begins with '# # N. Title'")
    blocks = [f'r"""\n{_restructured(first.source)}"""\n']
    for cell in others:
        if cell.cell_type == "markdown":
            text = _restructured(cell.source).splitlines()
            blocks.append("\n".join(["# %%", *(f"# {line}".rstrip() for line in text), ""]))
        else:
            blocks.append(f"# %%\n\n{cell.source}\n")  # the empty line keeps a leading comment in the code
    further = "\n".join(["#", *(f"# {line}".rstrip() for line in _further(lesson.stem)), ""])
    return "\n".join(blocks) + further  # goes on with the text of the last cell


def _further(lesson: str) -> list[str]:
    """Return what the end of a lesson links to, in reStructuredText."""
    exercises = [f"``{exercise.name}``" for exercise in EXERCISES if exercise.lesson == lesson]
    lines = ["The gradients of any model, traced: :doc:`/pages/engine`. A word: :doc:`/pages/glossary`."]
    if exercises:
        lines.insert(
            0, f"The exercises of this lesson, judged by tests: {', '.join(exercises)}; :doc:`/pages/exercises`."
        )
    return [".. seealso::", "", *(f"   {line}" for line in lines)]


def _details(label: str, folded: re.Match[str]) -> str:
    return f"<details><summary>{label}</summary>\n\n{folded.group().rstrip()}\n\n</details>\n\n"


def notebook_of(lesson: Path) -> jupytext.jupytext.NotebookNode:
    """Return a lesson as a notebook, in which findings, answers and the code of figures are folded."""
    notebook = jupytext.read(lesson, fmt="py:percent")
    notebook.metadata["kernelspec"] = KERNEL
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if cell.source.startswith("figure, "):
                cell.metadata["jupyter"] = {"source_hidden": True}
            continue
        for label, pattern in FOLDED.items():
            cell.source = pattern.sub(partial(_details, label), cell.source).rstrip()
    return notebook


def _restructured(markdown: str) -> str:
    return pypandoc.convert_text(markdown, "rst", format=MARKDOWN, extra_args=["--wrap=none"])


def write_sources(app: Sphinx) -> None:
    """Fill ``generated``, from which sphinx-gallery builds its pages."""
    folder = Path(app.srcdir, app.config.sphinx_gallery_conf["examples_dirs"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "GALLERY_HEADER.rst").write_text("In reading order\n----------------\n", encoding="utf-8")
    for lesson in sorted(LESSONS.glob("[0-9]*.py")):
        (folder / lesson.name).write_text(gallery_script(lesson), encoding="utf-8")


def replace_downloads(app: Sphinx) -> None:
    """Put the lessons as they were written, as scripts and notebooks, in the place of sphinx-gallery's versions."""
    folder = Path(app.srcdir, app.config.sphinx_gallery_conf["gallery_dirs"])
    for lesson in sorted(LESSONS.glob("[0-9]*.py")):
        script, notebook = folder / lesson.name, folder / f"{lesson.stem}.ipynb"
        shutil.copy(lesson, script)
        jupytext.write(notebook_of(lesson), notebook)
        with zipfile.ZipFile(folder / f"{lesson.stem}.zip", "w") as both:
            both.write(script, script.name)
            both.write(notebook, notebook.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before and after sphinx-gallery, which listens to the same event with priority 500."""
    app.connect("builder-inited", write_sources, priority=400)
    app.connect("builder-inited", replace_downloads, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
