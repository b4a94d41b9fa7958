"""The page, ``report.html``: sections on the runs of one setting each, as HTML that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import jinja2

from tinydist import __version__
from tinydist.analysis.statistics import interval_text, summarize
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS, Claim, sizes
from tinydist.reproduce.evidence.contradictions import found_in_the_paper
from tinydist.reproduce.evidence.outcomes import Outcomes
from tinydist.reproduce.evidence.published import published
from tinydist.reproduce.report import printout
from tinydist.reproduce.report.exhibits import Exhibit
from tinydist.reproduce.runs.settings import Setting

ACCURACY_HEAD = (
    *("model", "test accuracy, %", "95% interval of the mean", "runs", "dead outputs", "dead hidden units"),
    "published on MNIST",
)
SYMBOLS = dict(zip(ledger.RESULTS, "✓✗/?–", strict=True))


@dataclass(frozen=True)
class Section:
    """The section of the page on the runs of one setting.

    Attributes:
        setting: what the runs share.
        name: a short one, for links; the folder of its figures has it, too.
        title: what tells it from the others, such as "raw input".
        label: the protocol in a line.
        notes: what a reader has to know about the numbers.
        results: the runs.
        verdicts: one for each claim, by its number.
        exhibits: figures, each with a table and a text.
        reading: what was read of the data set; empty if it is missing.
        missing: which trained weights are in no exhibit, and why; empty if all are.
        left_out: which of these exhibits are left out, and why; empty if none is.
        source: where the runs are from, if not from a results folder.
    """

    setting: Setting
    name: str
    title: str
    label: str
    notes: str
    results: Outcomes
    verdicts: Mapping[str, ledger.Verdict]
    exhibits: Sequence[Exhibit]
    reading: str = ""
    missing: str = ""
    left_out: str = ""
    source: str = ""

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Count the verdicts of each kind, in the order of ``ledger.RESULTS``."""
        found = [verdict.result for verdict in self.verdicts.values()]
        return [(result, found.count(result)) for result in ledger.RESULTS]

    @property
    def has_figures(self) -> bool:
        """Return whether there are figures beside that of the accuracies, or reasons why there are none."""
        return bool(self.missing or self.left_out or any(exhibit.name != "accuracy" for exhibit in self.exhibits))

    @property
    def accuracies(self) -> list[tuple[str, ...]]:
        """Return the rows of the table under ``ACCURACY_HEAD``, one for each model."""
        rows = []
        for model, outcome in self.results.items():
            summary, half = outcome.accuracy, outcome.accuracy.half_interval()
            interval = interval_text(summary.mean - half, summary.mean + half, " to ") if summary.varies else "–"
            dead_nodes = outcome.dead_outputs, outcome.dead_hidden
            dead = (f"{summarize(counts).mean:.1f}" if counts else "–" for counts in dead_nodes)
            runs = f"{summary.n}, {outcome.failed} failed" if outcome.failed else str(summary.n)
            accuracy = str(summary) if summary.n else "all failed"
            rows.append((model, accuracy, interval, runs, *dead, printout.published_for(model, self.setting)))
        return rows

    def accuracy_of(self, model: str) -> str:
        """Return the accuracy of a model, or why there is none."""
        outcome = self.results.get(model)
        if outcome is None:
            return "no run"
        if not outcome.accuracies:
            return f"all {outcome.failed} failed"
        failed = f", {outcome.failed} failed" if outcome.failed else ""
        return f"{outcome.accuracy}, n {outcome.accuracy.n}{failed}"


@dataclass(frozen=True)
class Page:
    """The contents of a page.

    Attributes:
        lead: what was done with the experiment.
        sections: at least one.
        tables: every run, in tables with a name each, headings first.
        spent: how many runs there are, and what they took.
        checksums_of: what the checksums are of.
        checksums: sha256 by file name.
        failures: the runs that failed, one a line; empty if none did.
        origins: on what, and by which commands, the runs were computed.
        agreements: tables of where two programs agree, each with a title, headings first.
        agreement_rule: what agreeing means.
        curves: learning curves of several programs, an exhibit for each setting.
    """

    lead: str
    sections: Sequence[Section]
    tables: Sequence[tuple[str, Sequence[Sequence[str]]]]
    spent: str
    checksums_of: str
    checksums: Mapping[str, str]
    failures: str = ""
    origins: Sequence[Mapping[str, str]] = ()
    agreements: Sequence[tuple[str, Sequence[Sequence[str]]]] = ()
    agreement_rule: str = ""
    curves: Sequence[Exhibit] = ()

    @property
    def on_mnist(self) -> bool:
        """Return whether some runs are on the paper's data."""
        return any(section.setting.on_mnist for section in self.sections)

    def compared(self, claim: Claim) -> list[tuple[str, ...]]:
        """Return, for each model that the claim is about, its name, the number published on MNIST, and ours."""
        return [
            (
                model,
                *([str(published(model, claim.protocol.epochs) or "none published")] if self.on_mnist else []),
                *(section.accuracy_of(model) for section in self.sections),
            )
            for model in claim.models
        ]

    @property
    def compared_head(self) -> list[str]:
        """Return the headings of :meth:`compared`."""
        theirs = ["published on MNIST, %"] if self.on_mnist else []
        return ["model", *theirs, *(f"{section.title}, %" for section in self.sections)]


def render(page: Page) -> str:
    """Return the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinydist.reproduce.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        page=page,
        sections=page.sections,
        claims=CLAIMS,
        symbols=SYMBOLS,
        numbers=printout.NUMBERS,
        deciding=printout.deciding,
        accuracy_head=ACCURACY_HEAD,
        contradictions=found_in_the_paper(),
        rule=printout.RULE.format(compared="all comparisons made of one setting"),
        sizes=sizes(),
        written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        version=__version__,
        base64=lambda contents: base64.b64encode(contents).decode("ascii"),
    )
