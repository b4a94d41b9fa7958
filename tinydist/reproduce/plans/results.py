"""The execution of a plan, and its results."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tinydist.datasets import short_name
from tinydist.errors import DataError
from tinydist.files import write_atomically
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.plans.plan import Plan
from tinydist.reproduce.plans.studies import PAPER
from tinydist.reproduce.report import printout
from tinydist.reproduce.runs.pool import LocalPool, Pool, PoolError
from tinydist.reproduce.runs.records import RunRecord, failures, long_first_steps
from tinydist.reproduce.runs.run import tell
from tinydist.reproduce.runs.settings import Setting
from tinydist.reproduce.runs.sweep import sweep


@dataclass(frozen=True, repr=False)
class Results:
    """The results of a plan.

    Attributes:
        records: of the runs, failed ones among them.
        verdicts: on the paper's claims, for each setting; empty for a study beyond the paper.
        text: what was found, as the command line prints it.
        files: written besides ``results.csv`` and the runs.
        out: results folder.
    """

    records: list[RunRecord]
    verdicts: Mapping[Setting, list[ledger.Verdict]]
    text: str
    files: list[Path] = field(default_factory=list)
    out: Path = Path()

    @property
    def failures(self) -> str:
        """Return the runs that failed, one a line; empty if none did."""
        return failures(self.records)

    @property
    def evidence(self) -> str:
        """Return every claim with its comparisons and their tests, as ``--explain`` prints it; empty for a study."""
        return printout.evidence(self.records) if self.verdicts else ""

    def __repr__(self) -> str:
        if not self.verdicts:
            return self.text
        return f"{printout.protocols(self.records)}\n\n{self.text}\n\nResults: {self.out}"


def carry_out(plan: Plan) -> Results:
    """Do all runs that the results folder does not hold yet, and write what all of them show.

    Progress goes to standard error.

    Raises:
        DataError: if the results folder holds runs with other settings or damaged ones.
        PoolError: if a process that does runs ends early.
        OSError: if something cannot be written.
        KeyboardInterrupt: on Ctrl-C; finished runs, and checkpoints of the others, are on disk by then.
    """
    try:
        with _pool(plan) as pool:
            for name, reading in plan.readings.items():
                write_atomically(plan.out / f"data-{short_name(name)}.txt", f"{reading}\n")
            records = sweep(plan.configs, plan.out, pool, plan.checkpoint_every)
            if plan.study is PAPER and (warning := long_first_steps(records)):
                tell(warning)
        text, files = plan.study.write(records, plan.out, plan.jobs) if plan.report else (printout.brief(records), [])
    except PoolError as problem:
        raise PoolError(f"{problem}. {plan.saved}; the same command goes on from there.") from None
    except OSError as problem:
        raise OSError(
            f"{problem}. {plan.saved}; once that is mended (free space? permissions?), the same command goes on from "
            "there."
        ) from problem
    verdicts = ledger.judged(records) if plan.study is PAPER else {}
    return Results(records, verdicts, text, files, plan.out)


def _pool(plan: Plan) -> AbstractContextManager[Pool]:
    if plan.scheduler is None:
        return nullcontext(LocalPool(plan.jobs))
    try:
        from tinydist.reproduce.runs.cluster import connect  # here, because dask is an extra, and slow to import
    except ImportError as problem:
        raise DataError(
            f"--scheduler needs dask.distributed ({problem}). Install it with: pip install 'tinydist[cluster]'"
        ) from None
    return connect(plan.scheduler)
