"""Sphinx configuration: the site, with the lessons and their output, the pages and the reference.

``python -m sphinx -W lessons/site results/site`` runs every lesson and writes ``results/site/index.html``. With
TINYDIST_FAST set, the lessons train for a few steps only: quick to build, but their prose does not fit the output.
While you work on the pages or the reference, ``-D sphinx_gallery_conf.plot_gallery=0`` leaves the lessons unrun.
"""

import os
import sys
from pathlib import Path

import tinydist

sys.path.insert(0, str(Path(__file__).parent))  # for the extensions beside this file

project = "tinydist"
author = "the authors of tinydist"
copyright = "the authors of tinydist, MIT licence"
version = release = tinydist.__version__

extensions = [
    "docstrings_for_readers",
    "lessons_as_gallery",
    "math_as_mathml",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
html_math_renderer = "mathml"
exclude_patterns = ["generated", "lessons/index.rst"]  # the latter is included in index.rst

default_role = "code"  # docstrings name their arguments in single backquotes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "Axis", "DTypeLike", "Operand", "Result", "Vjps")}
python_maximum_signature_line_length = 80  # else an argument a line
napoleon_use_ivar = True  # attributes as a list, as the docstring has them
napoleon_attr_annotations = False  # the signature has the types

html_theme = "furo"
html_title = "tinydist"
if "TINYDIST_FAST" in os.environ:
    html_theme_options = {"announcement": "A quick build: training is cut short, so the text does not fit the numbers."}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["folding.js"]
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
html_domain_indices = False
html_show_search_summary = False  # it would fetch pages, which a browser forbids on pages from disk

sphinx_gallery_conf = {
    "examples_dirs": "generated",
    "gallery_dirs": "lessons",
    "filename_pattern": r"[/\\]\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "run_stale_examples": True,  # a lesson has to be run again when tinydist has changed, not only when it has
    "capture_repr": (),  # as when run as a script: what it prints, and its figures
    "image_srcset": ["2x"],
    "thumbnail_size": (480, 300),
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "show_signature": False,
    "reference_url": {"tinydist": None},  # names in the code of lessons are links
    "doc_module": ("tinydist",),
}
