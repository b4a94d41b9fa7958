"""Sphinx configuration: the lessons as a site, with text, code, output and figures.

``python -m sphinx -W lessons/site results/site`` runs every lesson and writes ``results/site/index.html``. With
TINYDIST_FAST set, the lessons train for a few steps only: quick to build, but their prose does not fit the output.
"""

import os
import sys
from pathlib import Path

import tinydist

sys.path.insert(0, str(Path(__file__).parent))  # for the two extensions beside this file

project = "tinydist"
author = "the authors of tinydist"
copyright = "the authors of tinydist, MIT licence"
version = release = tinydist.__version__

extensions = ["lessons_as_gallery", "math_as_mathml", "sphinx_gallery.gen_gallery"]
html_math_renderer = "mathml"
exclude_patterns = ["generated", "lessons/index.rst"]  # the latter is included in index.rst

html_theme = "furo"
html_title = "tinydist: lessons"
if "TINYDIST_FAST" in os.environ:
    html_theme_options = {"announcement": "A quick build: training is cut short, so the text does not fit the numbers."}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_use_index = False

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
}
