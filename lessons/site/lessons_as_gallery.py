"""Lessons as sphinx-gallery wants them, and as downloads.

A lesson is a script in jupytext's percent format with Markdown cells; sphinx-gallery reads scripts that begin with a
docstring and whose text is reStructuredText in comments. So each lesson is rewritten, with its Markdown translated by
pandoc, into the folder ``generated``. What a reader downloads is the lesson as it was written.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import jupytext
import pypandoc
from sphinx.application import Sphinx

LESSONS = Path(__file__).resolve().parents[1]
MARKDOWN = "commonmark+tex_math_dollars+pipe_tables"
"""What Jupyter renders, in pandoc's words. Pandoc's own Markdown reads more into ~, ^ and @."""

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
"""What runs a downloaded notebook; without it Jupyter asks."""


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
    return "\n".join(blocks)


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
        cells = jupytext.read(lesson, fmt="py:percent")
        cells.metadata["kernelspec"] = KERNEL
        jupytext.write(cells, notebook)
        with zipfile.ZipFile(folder / f"{lesson.stem}.zip", "w") as both:
            both.write(script, script.name)
            both.write(notebook, notebook.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before and after sphinx-gallery, which listens to the same event with priority 500."""
    app.connect("builder-inited", write_sources, priority=400)
    app.connect("builder-inited", replace_downloads, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
