"""The decision rule, on p-values corrected by hand; and that there is no other rule."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydist
from tinydist.reproduce.evidence.decisions import ALPHA, OPEN, REFUTED, SHOWN, Decision, Finding, decide

probabilities = st.floats(0, 1)


def test_both_directions_are_corrected_over_all_statements():
    # Holm: the smallest times 4, the next times 3, ..., never below the one before
    found = decide(
        {
            "a": Finding(0.01, 0.99, "numbers of a"),
            "b": Finding(0.02, 0.98, "numbers of b"),
            "c": Finding(0.99, 0.012, "numbers of c"),
            "d": Finding(0.50, 0.50, "numbers of d"),
        }
    )
    assert [round(d.for_it, 10) for d in found.values()] == [0.04, 0.06, 1, 1]
    assert [round(d.against_it, 10) for d in found.values()] == [1, 1, 0.048, 1]
    assert [d.word for d in found.values()] == [SHOWN, OPEN, REFUTED, OPEN]
    assert found["b"].text == "b; p for it 0.06, against it 1"


def test_alone_a_statement_is_not_corrected():
    assert decide({"a": Finding(0.04999, 0.951)})["a"].word == SHOWN
    assert decide({"a": Finding(0.951, 0.04999)})["a"].word == REFUTED
    assert decide({"a": Finding(0.05, 0.95)})["a"].word == OPEN
    assert decide({"a": Finding(0.95, 0.05)})["a"].word == OPEN
    assert decide({}) == {}


@given(st.lists(st.tuples(probabilities, probabilities), min_size=1, max_size=8))
def test_a_decision_is_never_bolder_than_bonferroni_allows_and_never_than_a_single_test(pairs):
    found = decide({number: Finding(*pair) for number, pair in enumerate(pairs)})
    for (p, q), decision in zip(pairs, found.values(), strict=True):
        if decision.word == SHOWN:
            assert p < ALPHA
        if decision.word == REFUTED:
            assert q < ALPHA
        if p * len(pairs) < ALPHA * (1 - 1e-12):  # Holm shows whatever Bonferroni shows
            assert decision.word == SHOWN


@given(st.lists(probabilities, min_size=1, max_size=8), st.randoms())
def test_the_order_of_statements_does_not_matter(ps, random):
    findings = {number: Finding(p, 1 - p) for number, p in enumerate(ps)}
    shuffled = random.sample(list(findings), len(findings))
    words = {name: decision.word for name, decision in decide(findings).items()}
    assert {name: d.word for name, d in decide({name: findings[name] for name in shuffled}).items()} == words


def test_what_could_not_be_decided_says_what_is_missing():
    decision = Decision("needs a successful run of ReLU2")
    assert (decision.word, decision.text) == (OPEN, "needs a successful run of ReLU2")
    assert math.isclose(decision.for_it, 1)


@pytest.mark.parametrize("name", ["holm(", "ALPHA ="])
def test_there_is_one_rule(name):
    package = Path(tinydist.__file__).parent / "reproduce"
    users = [path.name for path in package.rglob("*.py") if name in path.read_text(encoding="utf-8")]
    assert users == ["decisions.py"]
