"""The studies by name, and the paper's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinydist.models import PAPER_MODELS
from tinydist.reproduce.report import page, printout
from tinydist.reproduce.runs.records import RunRecord
from tinydist.reproduce.studies import activations, dying, lead, other_data, overshoot
from tinydist.reproduce.studies.study import Study


def _write_report(records: Sequence[RunRecord], out: Path, jobs: int) -> tuple[str, list[Path]]:
    written = page.write_page(out, page.finished_records(out), jobs, complete=False)
    return printout.brief(records), [written]


PAPER = Study(models=PAPER_MODELS, write=_write_report)
STUDIES: dict[str, Study] = {
    "activations": activations.STUDY,
    "dying": dying.STUDY,
    "lead": lead.STUDY,
    "overshoot": overshoot.STUDY,
    **other_data.STUDIES,
}
"""The studies beyond the paper, by name."""
