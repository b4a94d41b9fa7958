"""Tables of runs, judged: the verdicts on every setting of every table, and where two programs agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tinydist.datasets import INPUTS
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.agreement import Agreement, agreements
from tinydist.reproduce.evidence.course import halfway
from tinydist.reproduce.evidence.labels import place
from tinydist.reproduce.evidence.outcomes import Curve, Outcomes
from tinydist.reproduce.evidence.tables_of_curves import Curves
from tinydist.reproduce.evidence.tables_of_runs import Table
from tinydist.reproduce.runs.settings import Setting
from tinydist.tables import counted


@dataclass(frozen=True)
class Judged:
    """The runs of one setting in one table, judged.

    Attributes:
        mark: a short name for it; empty if it is the only one.
        source: name of the table.
        setting: what the runs share.
        results: the runs, models in the paper's order.
        verdicts: on every claim.
        curves: learning curves of the runs, by model; empty if there are none.
    """

    mark: str
    source: str
    setting: Setting
    results: Outcomes
    verdicts: Sequence[ledger.Verdict]
    curves: Mapping[str, Sequence[Curve]]

    @property
    def title(self) -> str:
        """Return the mark, if there is one, and the input."""
        return f"{self.mark} {self.setting.input} input".strip()

    @property
    def name(self) -> str:
        """Return the mark, if there is one, and the name of the table."""
        return f"{self.mark} {self.source}".strip()

    @property
    def counts(self) -> list[int]:
        """Return the successful runs of each model."""
        return [outcome.accuracy.n for outcome in self.results.values()]

    @property
    def failures(self) -> list[str]:
        """Return a line for each model that has failed runs."""
        mark = f" ({self.mark})" if self.mark else ""
        failed = {model: outcome.failed for model, outcome in self.results.items() if outcome.failed}
        return [f"FAILED {counted(n, 'run')} of {model}{mark}" for model, n in failed.items()]


def judge(tables: Mapping[str, Table], curves: Mapping[str, Curves]) -> list[Judged]:
    """Judge every setting of every table.

    Args:
        tables: by name.
        curves: of the runs of some of them, by the name of the table.
    """
    found = [
        (name, table, setting)
        for name, table in tables.items()
        for setting in sorted(table.results, key=lambda setting: INPUTS.index(setting.input))
    ]
    judged = []
    for number, (name, table, setting) in enumerate(found, 1):
        runs = table.results[setting]
        results = {model: runs[model] for model in sorted(runs, key=place)}
        mark = f"#{number}" if len(found) > 1 else ""
        of_models = curves.get(name, {}).get(setting, {})
        before = halfway([curve for model in of_models.values() for curve in model], setting)
        verdicts = ledger.verdicts(results, setting, before)
        judged.append(Judged(mark, name, setting, results, verdicts, of_models))
    return judged


def pairs(judged: Sequence[Judged]) -> Iterator[tuple[Judged, Judged, list[Agreement]]]:
    """Yield every two tables that have runs of the same models under one setting, and on which models they agree."""
    for one, other in combinations(judged, 2):
        if one.setting == other.setting and (found := agreements(one.results, other.results)):
            yield one, other, found


def with_curves(judged: Sequence[Judged]) -> dict[Setting, dict[str, Mapping[str, Sequence[Curve]]]]:
    """Return the learning curves that there are: by setting, then by what tells the tables apart, then by model."""
    found: dict[Setting, dict[str, Mapping[str, Sequence[Curve]]]] = {}
    for each in judged:
        if each.curves:
            found.setdefault(each.setting, {})[each.name] = each.curves
    return found
