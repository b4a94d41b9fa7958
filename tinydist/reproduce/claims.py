"""The paper's qualitative claims, each with the test it is put to on whatever runs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tinydist.analysis.statistics import summarize, welch_p
from tinydist.reproduce.records import RunRecord


@dataclass(frozen=True)
class Outcome:
    """All successful runs of one model: test accuracy in percent and number of dead outputs, run by run."""

    accuracies: tuple[float, ...]
    dead_outputs: tuple[int, ...]

    @property
    def mean(self) -> float:
        return summarize(self.accuracies).mean

    @property
    def sd(self) -> float:
        return summarize(self.accuracies).sd

    @property
    def mean_dead(self) -> float:
        return summarize(self.dead_outputs).mean


Outcomes = Mapping[str, Outcome]
Judgement = tuple[bool, str]


def outcomes(records: Iterable[RunRecord]) -> dict[str, Outcome]:
    """Successful runs grouped by model, in order of first appearance."""
    by_model: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.status == "ok":
            by_model.setdefault(record.config.model, []).append(record)
    return {
        model: Outcome(
            tuple(record.final.test_accuracy for record in runs),
            tuple(record.final.dead_outputs for record in runs),
        )
        for model, runs in by_model.items()
    }


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
        statement: what the paper says.
        test: the criterion applied here, in words.
        models: the models it speaks of; without runs of each, it is not judged.
        judge: applies the criterion; returns whether it held and the numbers that decided.
        min_runs: runs of each model without which it is not judged.
    """

    statement: str
    test: str
    models: tuple[str, ...]
    judge: Callable[[Outcomes], Judgement]
    min_runs: int = 1


@dataclass(frozen=True)
class Verdict:
    """What became of a claim: "held", "did not hold" or "not tested", and why."""

    claim: Claim
    result: str
    evidence: str


def verdict(claim: Claim, results: Outcomes) -> Verdict:
    """Put one claim to its test."""
    too_few = [m for m in claim.models if m not in results or len(results[m].accuracies) < claim.min_runs]
    if too_few:
        runs = "a successful run" if claim.min_runs == 1 else f"{claim.min_runs} successful runs"
        return Verdict(claim, "not tested", f"needs {runs} of {', '.join(too_few)}")
    held, evidence = claim.judge(results)
    return Verdict(claim, "held" if held else "did not hold", evidence)


def _means(results: Outcomes, *models: str) -> str:
    return ", ".join(f"{model} {results[model].mean:.2f}" for model in models)


def _baselines_alike(results: Outcomes) -> Judgement:
    return abs(results["ReLU"].mean - results["Abs"].mean) < 1, _means(results, "ReLU", "Abs")


def _relu2_fails(results: Outcomes) -> Judgement:
    return results["ReLU2"].mean < results["ReLU"].mean - 10, _means(results, "ReLU2", "ReLU")


def _relu2_outputs_die(results: Outcomes) -> Judgement:
    relu2 = results["ReLU2"]
    by_run = ", ".join(map(str, relu2.dead_outputs))
    return relu2.mean_dead >= 1, f"dead outputs on average {relu2.mean_dead:.1f} of 10 (by run: {by_run})"


def _relu2_neg_recovers(results: Outcomes) -> Judgement:
    lost = results["ReLU"].mean - results["ReLU2"].mean
    recovered = results["ReLU2-Neg"].mean - results["ReLU2"].mean
    share = f", {recovered / lost:.0%} of the gap" if lost > 0 else ", no gap to recover"
    return lost > 0 and recovered > 0.5 * lost, _means(results, "ReLU2", "ReLU2-Neg", "ReLU") + share


def _abs2_stands(results: Outcomes) -> Judgement:
    worst, dead = min(results["Abs2"].accuracies), sum(results["Abs2"].dead_outputs)
    evidence = f"worst Abs2 run {worst:.2f}, Abs mean {results['Abs'].mean:.2f}, {dead} dead outputs in all Abs2 runs"
    return worst > results["Abs"].mean - 5 and dead == 0, evidence


def _abs2_neg_worse(results: Outcomes) -> Judgement:
    neg, plain = results["Abs2-Neg"], results["Abs2"]
    evidence = f"Abs2-Neg {summarize(neg.accuracies)}, Abs2 {summarize(plain.accuracies)}"
    return neg.mean < plain.mean and neg.sd > plain.sd, evidence


def _l2_closes_gap(results: Outcomes) -> Judgement:
    gaps = {
        (activation, head): abs(results[activation + head].mean - results[f"{activation}{head}-Neg"].mean)
        for activation in ("ReLU", "Abs")
        for head in ("2", "-L2")
    }
    held = all(gaps[a, "-L2"] < 1 and gaps[a, "-L2"] < gaps[a, "2"] / 2 for a in ("ReLU", "Abs"))
    evidence = "; ".join(f"{a}: {gaps[a, '2']:.2f} with 2, {gaps[a, '-L2']:.2f} with L2" for a in ("ReLU", "Abs"))
    return held, f"points between plain and Neg: {evidence}"


def _relu_l2_stands(results: Outcomes) -> Judgement:
    worst, dead = min(results["ReLU-L2"].accuracies), sum(results["ReLU-L2"].dead_outputs)
    evidence = f"worst ReLU-L2 run {worst:.2f}, ReLU mean {results['ReLU'].mean:.2f}, {dead} dead outputs"
    return worst > results["ReLU"].mean - 5 and dead == 0, evidence


def _abs_l2_best(results: Outcomes) -> Judgement:
    best = max(results["ReLU"].mean, results["Abs"].mean)
    return results["Abs-L2"].mean > best, _means(results, "Abs-L2", "ReLU", "Abs")


def _abs_alive(results: Outcomes) -> Judgement:
    dead = {model: sum(results[model].dead_outputs) for model in ("Abs", "Abs2", "Abs2-Neg")}
    counts = ", ".join(f"{model} {count}" for model, count in dead.items())
    return not any(dead.values()), f"dead outputs over all runs: {counts}"


_LINEAR = ("ReLU", "Abs", "ReLU2", "Abs2", "ReLU2-Neg", "Abs2-Neg")


def _bias_changes_nothing(results: Outcomes) -> Judgement:
    p = {model: welch_p(results[model].accuracies, results[f"{model}-Bias"].accuracies) for model in _LINEAR}
    smallest = min(p, key=lambda model: p[model])
    return p[smallest] * len(p) > 0.05, f"smallest p {p[smallest]:.3f} ({smallest}), times {len(p)} comparisons"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "The ReLU and Abs baselines are alike",
        "means less than 1 point apart",
        ("ReLU", "Abs"),
        _baselines_alike,
    ),
    Claim(
        "ReLU2 fails catastrophically",
        "mean more than 10 points below ReLU",
        ("ReLU2", "ReLU"),
        _relu2_fails,
    ),
    Claim("ReLU2 fails by dead outputs", "on average at least 1 output of 10 dead", ("ReLU2",), _relu2_outputs_die),
    Claim(
        "Negating the output rescues ReLU2",
        "ReLU2-Neg wins back more than half of what ReLU2 loses to ReLU",
        ("ReLU", "ReLU2", "ReLU2-Neg"),
        _relu2_neg_recovers,
    ),
    Claim(
        "Abs2 does not fail",
        "every run within 5 points of the Abs mean, no dead output",
        ("Abs", "Abs2"),
        _abs2_stands,
    ),
    Claim(
        "Abs2-Neg is worse and less stable than Abs2",
        "lower mean and larger standard deviation",
        ("Abs2", "Abs2-Neg"),
        _abs2_neg_worse,
        min_runs=2,
    ),
    Claim(
        "OffsetL2 closes the gap between plain and Neg",
        "means less than 1 point apart, and less than half the gap of the models with 2",
        tuple(f"{a}{head}{neg}" for a in ("ReLU", "Abs") for head in ("2", "-L2") for neg in ("", "-Neg")),
        _l2_closes_gap,
    ),
    Claim(
        "ReLU-L2 avoids the failure of ReLU2",
        "every run within 5 points of the ReLU mean, no dead output",
        ("ReLU", "ReLU-L2"),
        _relu_l2_stands,
    ),
    Claim(
        "Abs-L2 beats both baselines",
        "higher mean than ReLU and Abs",
        ("ReLU", "Abs", "Abs-L2"),
        _abs_l2_best,
    ),
    Claim(
        "Abs networks have no dead outputs",
        "none in any run of Abs, Abs2, Abs2-Neg",
        ("Abs", "Abs2", "Abs2-Neg"),
        _abs_alive,
    ),
    Claim(
        "A bias in the second layer changes none of this",
        "no model differs from its Bias twin (Welch's t-test, p times the number of comparisons above 0.05)",
        (*_LINEAR, *(f"{model}-Bias" for model in _LINEAR)),
        _bias_changes_nothing,
        min_runs=2,
    ),
)
