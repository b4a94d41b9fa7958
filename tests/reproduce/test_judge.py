"""Runs of other programs, judged from tables."""

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tinydist.reproduce import cli

REFERENCE = Path(__file__).parents[2] / "data" / "reference" / "results.csv"
HEAD = "model,seed,input,train_size,epochs,lr,test_accuracy"
ROWS = [
    f"{model},{seed},raw,60000,5000,0.001,{mean + seed / 10:.1f}"
    for model, mean in (("ReLU", 95.0), ("ReLU2", 40.0))
    for seed in range(3)
]


def judge(capsys, *arguments):
    """What the command prints, without an error."""
    assert cli.main(["judge", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def with_column(text, name, value):
    """The table with one more column, which has the same value in all rows."""
    head, *rows = text.splitlines()
    return "\n".join([f"{head},{name}", *(f"{row},{value}" for row in rows)])


@pytest.fixture
def table(tmp_path):
    def write(text, name="runs.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_reference_bears_the_claims_out_on_raw_input_and_not_on_normalized(capsys):
    """412 runs of the full protocol by another program, of which the verdicts are known."""
    shown = judge(capsys, REFERENCE)
    verdicts = {}
    for line in shown.partition("\n\nNOT:")[0].splitlines()[2:]:
        number, *_, raw, extended, normalized = line.split()
        verdicts[number] = raw, extended, normalized
    raw, extended, normalized = ([number for number, found in verdicts.items() if found[i] == "held"] for i in range(3))
    assert raw == ["1", "2a", "2b", "3a", "3b", "4", "5a", "5b", "6a", "6b"]
    assert extended == []
    assert normalized == ["4"]
    assert (verdicts["7b"][0], verdicts["7c"][0], verdicts["7d"][1]) == ("held*", "NOT*", "held*")  # reduced protocol
    assert [number for number, found in verdicts.items() if found[2] == "NOT"] == ["1", "2b", "3a", "5a", "5b"]
    assert "ReLU2           45.99 ± 20.78    20  4.3 of 10" in shown
    assert "8: needs dead_hidden" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_what_the_table_does_not_have_is_not_tested_by_name(table, capsys):
    shown = judge(capsys, table("\n".join([HEAD, *ROWS])))
    assert "HELD: 1 of 16 claims (raw input, reduced protocol)\n  2a ReLU2 fails" in shown
    assert "2b: needs dead_outputs" in " ".join(shown.split())
    assert "ReLU2  40.10 ± 0.10     3  –  " in shown
    dead = "\n".join([f"{HEAD},dead_outputs", *(f"{row},{3 if 'ReLU2' in row else 0}" for row in ROWS)])
    assert "dead in 3 of 3 runs" in judge(capsys, table(dead))


def test_several_tables_are_side_by_side_and_named(table, capsys):
    ours = table("\n".join([HEAD, *ROWS]), "ours.csv")
    theirs = table("\n".join([HEAD, *(row.replace(",40.", ",94.") for row in ROWS)]), "theirs.csv")
    shown = judge(capsys, ours, theirs)
    first = shown.partition("\n\n#1")[0]
    assert "2a ReLU2 fails catastrophically                              held*  NOT*" in first
    words = " ".join(shown.split())
    assert f"#1 {ours}: raw input, mnist, 60,000 training images" in words
    assert f"#2 {theirs}: raw input" in words
    assert "DID NOT HOLD: 1 of 16 claims (#2 raw input, reduced protocol)" in shown


def test_columns_that_nothing_is_read_from_and_failed_runs_are_told_of(table, capsys):
    rows = [f"{row},H100,{'diverged' if 'ReLU2' in row else 'ok'}" for row in ROWS]
    path = table("\n".join([f"{HEAD},gpu,status", *rows]))
    shown = judge(capsys, path)
    assert f"Columns of {path} that nothing is read from: 'gpu'" in " ".join(shown.split())
    assert "ReLU2  all failed       0" in shown
    assert "FAILED 3 runs of ReLU2" in shown


def test_counts_may_be_known_of_some_models_only(table, capsys):
    rows = [f"{row},{3 if 'ReLU2' in row else ''}" for row in ROWS]
    shown = judge(capsys, table("\n".join([f"{HEAD},dead_outputs", *rows])))
    assert "dead in 3 of 3 runs" in shown
    assert "ReLU   95.10 ± 0.10     3  –  " in shown


def test_an_alias_is_its_model_and_models_come_in_the_papers_order_then_as_in_the_table(table, capsys):
    rows = [row.replace("ReLU2", "Swish") for row in ROWS] + [row.replace("ReLU2", "ELU") for row in ROWS[3:]]
    shown = judge(capsys, table("\n".join([HEAD, *reversed(rows)])))
    assert re.findall(r"^(\w+) +\d\d\.\d\d ±", shown, flags=re.MULTILINE) == ["ReLU", "ELU", "SiLU"]


def test_more_settings_than_fit_beside_one_another_are_below(table, capsys):
    rows = [row.replace("5000", str(1000 * n)) for n in range(1, 6) for row in ROWS]
    shown = judge(capsys, table("\n".join([HEAD, *rows])))
    heads = [line.split() for line in shown.splitlines() if line.startswith("claim")]
    assert heads == [["claim", "#1", "#2", "#3"], ["claim", "#4", "#5"]]


def test_two_programs_that_ran_the_same_are_compared_model_by_model(table, capsys):
    ours = table("\n".join([HEAD, *ROWS]), "ours.csv")
    theirs = table("\n".join([HEAD, *(row.replace(",40.", ",90.") for row in ROWS)]), "theirs.csv")
    other = table("\n".join([HEAD, *(row.replace("5000", "600") for row in ROWS)]), "other.csv")
    shown = judge(capsys, ours, theirs, other)
    rows = [line.split() for line in shown.partition("model  #1")[2].partition("\n\n")[0].splitlines()[2:]]
    # by hand: 0.1 * √(2 / 3) is the error of a difference, 2.78 of it half the interval
    assert rows == [
        ["ReLU", "95.10", "±", "0.10", "95.10", "±", "0.10", "+0.00", "[-0.23,", "+0.23]", "agree"],
        ["ReLU2", "40.10", "±", "0.10", "90.10", "±", "0.10", "-50.00", "[-50.23,", "-49.77]", "differ"],
    ]
    assert "model  #3" not in shown
    assert "model  #1           #3" not in shown


def test_many_settings_are_shown_one_by_one_only_if_that_is_asked_for(table, capsys):
    rows = [row.replace("5000", str(1000 * n)) for n in range(1, 6) for row in ROWS]
    path = table("\n".join([HEAD, *rows]))
    assert "test accuracy %" not in judge(capsys, path)
    assert "the numbers that decide: --explain" in judge(capsys, path)
    assert judge(capsys, path, "--explain").count("test accuracy %") == 5


def test_failed_runs_count_against_a_claim(table, capsys):
    """Of thirteen runs of ReLU ten failed, which count as guessing: 29.6% on average, below the 40% of ReLU2."""
    failed = [f"ReLU,{seed},raw,60000,5000,0.001,,diverged" for seed in range(10, 20)]
    path = table("\n".join([f"{HEAD},status", *(f"{row},ok" for row in ROWS), *failed]))
    shown = judge(capsys, path, "--explain")
    assert "DID NOT HOLD: 1" in shown
    assert "2a ReLU2 fails catastrophically                    10 of 16 runs failed" in shown
    assert "10 of 13 runs of ReLU failed, which counts against it" in " ".join(shown.split())


class Ids(HTMLParser):
    """The ids, the addresses and the text of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.addresses, self.words = [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, _tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]
        self.addresses += [value for name, value in attributes if name in ("src", "href") and not value.startswith("#")]

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_has_the_verdicts_the_pictures_and_every_run_of_all_tables(table, capsys, tmp_path):
    failed = "ReLU2,9,raw,60000,5000,0.001,,<b>nan</b>"
    ours = table("\n".join([f"{HEAD},status", *(f"{row},ok" for row in ROWS), failed]), "ours.csv")
    page = tmp_path / "new" / "page.html"
    shown = judge(capsys, ours, REFERENCE, "--out", page)
    assert shown.endswith(f"Saved: {page}\n")
    found = Ids(page)
    assert len(found.ids) == len(set(found.ids))
    assert [f"claim-{n}" in found.ids for n in ("1", "7d", "8")] == [True] * 3
    accuracies = [name for name in found.ids if name.endswith("-accuracy")]
    assert accuracies == [
        f"table-{n}-{kind}-input-accuracy" for n, kind in enumerate(("raw", "raw", "raw", "normalized"), 1)
    ]
    assert {address.split(",")[0] for address in found.addresses} <= {
        *("data:image/webp;base64", "data:", "https://arxiv.org/abs/2502.02103"),
    }
    for words in (
        f"#1 {ours}: Not the paper's protocol",
        f"#2 {REFERENCE}: The paper's protocol: mnist, 60,000 training images",
        "FAILED 1 run of ReLU2 (#1)",
        "ReLU2 9 raw 60000 5000 0.001 <b>nan</b>",
        "Two programs agree on a model if",
        "419 runs in 2 tables",
        hashlib.sha256(REFERENCE.read_bytes()).hexdigest(),
        "ReLU within 1 point of Abs two one-sided Welch t-tests 5,000",
    ):
        assert words in found.text, words
    assert "Some runs failed" in found.text


def curves_of(rows, halfway):
    """A table of curves that reach the runs' accuracies from so many points below, halfway."""
    lines = ["model,seed,epochs,epoch,test_accuracy"]
    for row in rows:
        model, seed, _, _, epochs, _, end = row.split(",")
        lines += [
            f"{model},{seed},{epochs},{epoch},{accuracy}"
            for epoch, accuracy in (
                (0, 10),
                (int(epochs) // 2, round(float(end) - halfway.get(model, 0), 2)),
                (epochs, end),
            )
        ]
    return "\n".join(lines)


def test_learning_curves_say_what_still_moves_and_are_shown_side_by_side(table, capsys, tmp_path):
    """ReLU2 comes 20 points nearer to ReLU in the last doubling, and has 45 to go in the three that are left."""
    rows = [row.replace("5000", "600") for row in ROWS]
    ours, theirs = table("\n".join([HEAD, *rows]), "ours.csv"), table("\n".join([HEAD, *rows]), "theirs.csv")
    of_ours = table(curves_of(rows, {"ReLU2": 20}), "curves.csv")
    page = tmp_path / "page.html"
    shown = judge(capsys, ours, theirs, "--curves", of_ours, "--out", page, "--explain")
    _, with_curves, without = re.split(r"\n\n#[12]\s", shown)
    assert "2a ReLU2 fails catastrophically                    ~ +55.00 [" in with_curves
    assert "~" not in without.partition("The paper against itself")[0]
    words = " ".join(shown.split())
    assert "still moves, and could turn before epoch 5,000: ReLU more than 10 points above ReLU2: 75" in words
    found = Ids(page)
    assert "curves-1" in found.ids
    assert "still moves" in found.text
    assert f"#1 {ours} ReLU2 3 0: 90.00, 300: 79.90, 600: 59.90" in found.text


def test_the_curves_of_the_reference_are_of_its_runs(capsys):
    curves = REFERENCE.with_name("curves.csv")
    shown = judge(capsys, REFERENCE, "--curves", curves)
    assert "7c Abs-L2 is ahead of both baselines               ~ -0.33, +0.07" in shown
    assert "Curves left out" not in shown


def test_curves_of_runs_that_are_not_in_the_table_are_left_out_by_name(table, capsys):
    rows = [*ROWS, "ReLU,7,raw,60000,5000,0.001,90.0"]
    shown = judge(capsys, table("\n".join([HEAD, *ROWS])), "--curves", table(curves_of(rows, {}), "curves.csv"))
    assert "runs.csv has no successful run of them: ReLU, seed 7, raw input" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("epoch,test_accuracy", "step,test_accuracy"), "has no column epoch; expected model"),
        (lambda text: f"{text}\nReLU,0,5000,5000,95.0", "ReLU, seed 0, was measured after epoch 5,000 already"),
        (lambda text: f"{text}\nReLU,0,5000,5001,95.0", "line 20 .* epoch: expected 0 to 5,000, got 5,001"),
        (lambda text: f"{text}\nReLU,0,5000,-1,95.0", "epoch: expected 0 to 5,000, got -1"),
        (lambda text: f"{text}\nReLU,0,5000,7,nan", "test_accuracy nan"),
        (lambda text: f"{text}\nReLU,0,5000,half,95.0", "epoch: expected a whole number, got 'half'"),
        (
            lambda text: text.replace(",5000,95.1", ",5000,94.1"),
            "seed 1, ends at 94.1% here and at 95.1% in its table; give each",
        ),
        (lambda text: text.replace(",5000,", ",4000,"), "its table has no run with epochs 4000"),
        (lambda text: text.replace("ReLU,", "Abs,").replace("ReLU2,", "Abs,"), "no measurement of a successful run"),
        (
            lambda text: text.replace("ReLU,0,5000,5000,95.0\n", ""),
            "no measurement of ReLU, seed 0, after its last epoch",
        ),
        (lambda text: text.splitlines()[0], "nothing below its first line; expected a measurement"),
    ],
)
def test_curves_that_cannot_be_right_are_refused_with_their_line(change, words, table, refusal):
    curves = table(change(curves_of(ROWS, {})), "curves.csv")
    assert re.search(words, refusal("judge", str(table("\n".join([HEAD, *ROWS]))), "--curves", str(curves)))


def test_curves_that_may_be_of_two_settings_are_refused(table, refusal):
    rows = [*ROWS, *(row.replace("raw", "normalized") for row in ROWS)]
    runs, curves = table("\n".join([HEAD, *rows])), table(curves_of(ROWS, {}), "curves.csv")
    words = refusal("judge", str(runs), "--curves", str(curves))
    assert "runs of several settings with epochs 5000; add the columns that tell them apart" in words


def test_more_tables_of_curves_than_of_runs_are_refused(table, refusal):
    runs, curves = (str(table("\n".join([HEAD, *ROWS]), name)) for name in ("runs.csv", "curves.csv"))
    assert "--curves: got 2 tables for 1 table of runs" in refusal("judge", runs, "--curves", curves, curves)


def test_a_page_of_runs_that_all_failed(table, capsys, tmp_path):
    path = table("\n".join([f"{HEAD},status", "ReLU,0,raw,60000,5000,0.001,,diverged"]))
    judge(capsys, path, "--out", tmp_path / "page.html")
    assert "FAILED 1 run of ReLU" in Ids(tmp_path / "page.html").text


def test_a_page_that_is_there_is_not_replaced(table, refusal, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("precious")
    words = refusal("judge", str(table("\n".join([HEAD, *ROWS]))), "--out", str(page))
    assert "page.html exists already, and would be lost" in words
    assert page.read_text() == "precious"


def test_a_name_with_dollars_or_strange_letters_does_not_stop_the_page(table, capsys, tmp_path):
    path = table("\n".join([HEAD, *ROWS]), "a$\\frac{$ 中文 _.csv")
    curves = table(curves_of(ROWS, {}), "curves.csv")
    judge(capsys, path, "--curves", curves, "--out", tmp_path / "page.html")
    assert "curves-1" in Ids(tmp_path / "page.html").ids


def test_runs_without_an_error_are_drawn(table, capsys, tmp_path):
    rows = [f"{row.rpartition(',')[0]},100" for row in ROWS]
    path, curves = table("\n".join([HEAD, *rows])), table(curves_of(rows, {}), "curves.csv")
    judge(capsys, path, "--curves", curves, "--out", tmp_path / "page.html")


def test_numbers_as_pandas_writes_them_are_read(table, capsys):
    dead = "\n".join([f"{HEAD},dead_outputs", *(f"{row},{3.0 if 'ReLU2' in row else ''}" for row in ROWS)])
    assert "dead in 3 of 3 runs" in judge(capsys, table(dead.replace(",60000,5000,", ",60000.0,5000.0,")))


def with_exchanged(cells):
    """A table of two OffsetL2 models with three runs each, and these accuracies after an exchange of prototypes."""
    models = ("ReLU-L2", "ReLU-L2-Neg", "Abs-L2", "Abs-L2-Neg")
    rows = [f"{model},{seed},unit,60000,5000,0.001,{75 + seed}" for model in models for seed in range(3)]
    return "\n".join([f"{HEAD},exchanged_accuracy", *map(",".join, zip(rows, cells, strict=True))])


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (["2.5", "2.1", "3"] * 4, "HELD: 1 of 16 claims (unit input, another protocol)\n  7e OffsetL2 decides"),
        (["75", "76", "77"] * 4, "DID NOT HOLD: 1 of 16 claims (unit input, another protocol)\n  7e OffsetL2 decides"),
        (["2.5", "2.1", "3"] * 3 + ["2.5", "", "3"], "7e: needs exchanged_accuracy"),
    ],
)
def test_whether_prototypes_decide_is_judged_where_somebody_has_exchanged_them(cells, shown, table, capsys):
    assert shown in judge(capsys, table(with_exchanged(cells)))


@pytest.mark.parametrize("cell", ["101", "-1", "nan", "much"])
def test_an_accuracy_after_an_exchange_that_cannot_be_is_refused_with_its_line(cell, table, refusal):
    path = table(with_exchanged([*["2.5"] * 11, cell]))
    assert "line 13 is not a run: " in (said := refusal("judge", str(path)))
    assert "exchanged_accuracy" in said


def test_accuracies_that_are_equal_but_for_the_rounding_of_floats_decide_nothing(table, capsys, tmp_path):
    rows = [f"{row.rpartition(',')[0]},{54.13580246802 + 1e-14 * seed}" for seed, row in enumerate(ROWS)]
    shown = judge(capsys, table("\n".join([HEAD, *rows])), "--out", tmp_path / "page.html")
    assert "HELD" not in shown


def test_a_folder_in_place_of_a_page_is_refused(table, refusal, tmp_path):
    words = refusal("judge", str(table("\n".join([HEAD, *ROWS]))), "--out", str(tmp_path))
    assert f"--out: {tmp_path} is a folder; name a file, such as {tmp_path / 'report.html'}" in words


def test_a_table_that_is_given_twice_is_refused(table, refusal):
    path = table("\n".join([HEAD, *ROWS]))
    assert "is given twice" in refusal("judge", str(path), str(path.parent / "." / path.name))


def test_runs_on_data_that_are_not_here_are_judged(table, capsys):
    assert "HELD: 1 of 16" in judge(capsys, table(with_column("\n".join([HEAD, *ROWS]), "dataset", "gone.csv:class")))


def test_spaces_after_commas_and_a_status_in_capitals_do_no_harm(table, capsys):
    text = with_column("\n".join([HEAD, *ROWS]), "status", "OK").replace(",", ", ")
    assert "HELD: 1 of 16" in judge(capsys, table(text))


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm(table, capsys):
    assert "HELD: 1 of 16" in judge(capsys, table("\ufeff" + "\r\n".join([HEAD, *ROWS])))


def test_on_request_the_evidence_in_full(table, capsys):
    shown = judge(capsys, table("\n".join([HEAD, *ROWS])), "--explain")
    assert "ReLU more than 10 points above ReLU2" in " ".join(shown.split())
    assert "The paper against itself" in shown


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda text: text.replace("test_accuracy", "accuracy"),
            "no column test_accuracy; .*is 'accuracy' test_accuracy",
        ),
        (lambda text: text.replace(",", ";"), "separated by commas, got 'model;seed;input;"),
        (lambda _: "", "no column model, seed, .* got nothing"),
        (lambda text: text.splitlines()[0], "has nothing below its first line"),
        (lambda text: text.replace("seed,", "seed,seed,", 1), "has 2 columns 'seed'"),
        (lambda text: text.replace(",95.1", ",0.951"), "line 3 .* seems to be a fraction; expected percent, 95.1"),
        (lambda text: f"{text}\n{ROWS[0]}", "line 8 .* ReLU has a run of seed 0 under .* already"),
        (lambda text: text.replace("ReLU2,", "relu_2,", 1), "line 5 .* unknown model 'relu_2'. Did you mean"),
        (lambda text: text.replace("raw", "pixels", 1), "input: expected one of raw, unit, normalized, got 'pixels'"),
        (lambda text: text.replace("5000", "5e3", 1), "line 2 .* epochs: expected a whole number, got '5e3'"),
        (lambda text: text.replace("0.001", "nan", 1), "lr: expected a number above 0, got nan"),
        (lambda text: text.replace("95.0", "high"), "test_accuracy: expected a number, got 'high'"),
        (lambda text: text.replace("95.0", "950"), "950 is not between 0 and 100 percent"),
        (lambda text: text.replace("60000", "60,000", 1), "line 2 .* other cells than the first line has columns"),
        (lambda text: text.replace("ReLU,1", '"ReLU,1', 1), "not a table .unexpected end of data"),
        (lambda text: text.replace("ReLU,1", '"ReLU\n",1', 1), "a cell goes over several lines; is a quote missing"),
        (lambda text: f"{text.splitlines()[0]}\n\n\n", "has nothing below its first line"),
        (lambda text: text.replace("seed", "Seed,seed", 1).replace(",0,", ",0,0,"), "has a column 'Seed'; write seed"),
        (lambda text: with_column(text, "status", ""), "status is empty"),
        (lambda text: f"{with_column(text, 'status', 'nan')}\n{ROWS[0]},ok", "ReLU has a run of seed 0 under"),
        (lambda text: with_column(text, "outputs", "0"), "line 2 .* more than its 0 outputs"),
        (
            lambda text: f"{with_column(text, 'outputs', '10')}\nAbs,0,raw,60000,5000,0.001,90.0,2",
            "got 2, and 10 before",
        ),
        (lambda text: with_column(text, "outputs", "ten"), "outputs: expected a whole number, got 'ten'"),
        (lambda text: with_column(text, "dead_hidden", "129"), "it counts 129 dead of 128 hidden units"),
        (lambda text: with_column(text, "batch_size", "0"), "batch_size: expected a number above 0, got 0"),
        (lambda text: with_column(text, "optimizer", "SGD"), "optimizer: expected one of sgd, .* got 'SGD'"),
        (lambda text: with_column(text, "dataset", "MNIST"), "line 2 .* unknown data set 'MNIST'. Did you mean"),
        (
            lambda text: with_column(re.sub(r",(\d\d)\.", r",0.\1", text), "dataset", "fashion-mnist"),
            "no test_accuracy on raw input, fashion-mnist.* is above 1; expected percent",
        ),
    ],
)
def test_a_table_that_cannot_be_right_is_refused_with_its_line(change, words, table, refusal):
    path = table(change("\n".join([HEAD, *ROWS])))
    assert re.search(words, refusal("judge", str(path)))


def test_a_file_of_another_kind_or_none_at_all_is_refused(tmp_path, refusal):
    (tmp_path / "image.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    assert "image.csv is not a table" in refusal("judge", str(tmp_path / "image.csv"))
    assert "No such file" in refusal("judge", str(tmp_path / "none.csv"))
    assert f"is a folder; expected a table with a line for a run, such as {tmp_path / 'results.csv'}" in refusal(
        "judge", str(tmp_path)
    )
