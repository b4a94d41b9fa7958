"""What the page says; test_page_in_a_browser looks at it."""

import re
import shutil
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser

import pytest

from tinydist.errors import DataError
from tinydist.reproduce import cli
from tinydist.reproduce.evidence import ledger
from tinydist.reproduce.evidence.claims import CLAIMS
from tinydist.reproduce.report import exhibits, page
from tinydist.reproduce.report.exhibits import Exhibit
from tinydist.reproduce.runs.records import load_record, write_config
from tinydist.reproduce.runs.settings import Setting


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def shown(page_of_a_sweep):
    return Page((page_of_a_sweep / "report.html").read_text(encoding="utf-8"))


def test_every_claim_has_a_verdict_for_each_input_and_it_is_the_ledgers(page_of_a_sweep, shown):
    records = page.finished_records(page_of_a_sweep)
    for setting, verdicts in ledger.judged(records).items():
        for verdict in verdicts:
            claim = verdict.claim
            block = shown.text.split(f"{claim.number} {claim.statement} ")[1].split("The paper, ")[1]
            under = "" if verdict.result == ledger.NOT_TESTED else f", {verdict.protocol}"
            told = block.split(f"{setting.input.capitalize()} input{under}: ")[1]
            assert told.split(" ", 1)[1].startswith(verdict.result)
            for decision in verdict.decisions:
                assert decision.text in told
                assert decision.numbers in told
            assert all(course.words[1:] in told for course in verdict.courses)


def test_the_answer_comes_first_a_folded_line_for_each_claim_then_a_picture_of_all_runs(shown):
    headings = [attributes["id"] for attributes in shown.all("h2")]
    assert headings[:2] == ["verdicts", "tables"]
    ids = [attributes["id"] for tag, attributes in shown.tags if "id" in attributes and tag in ("figure", "details")]
    claims = [f"claim-{claim.number}" for claim in CLAIMS]
    assert ids[: 2 + len(claims)] == [*claims, "raw-accuracy", "normalized-accuracy"]
    assert not any("open" in attributes for attributes in shown.all("details"))
    targets = {attributes["id"] for _, attributes in shown.tags if "id" in attributes}
    links = {attributes["href"] for attributes in shown.all("a") if attributes["href"].startswith("#")}
    assert links <= {f"#{target}" for target in targets}


def test_nothing_is_loaded_from_elsewhere(shown):
    assert {attributes["src"][:22] for attributes in shown.all("img")} == {"data:image/webp;base64"}
    assert [attributes["href"] for attributes in shown.all("link")] == ["data:,"]
    assert shown.all("script") == [{}]
    assert {a["href"] for a in shown.all("a") if not a["href"].startswith("#")} == {"https://arxiv.org/abs/2502.02103"}


def test_every_figure_says_in_words_what_it_shows(shown):
    texts = [attributes["alt"] for attributes in shown.all("img")]
    assert len(set(texts)) == len(texts) > 20
    assert all(len(text) > 60 for text in texts)


def test_a_reduced_protocol_is_called_that_beside_every_verdict(shown):
    # one claim could be tested, with both inputs: in its line and above its evidence; and the words on the rule
    assert shown.text.count("reduced protocol") == 2 * 2 + 1
    for runs in (0, 2):  # none of the failed model, which was run with raw input only
        reduced = f"Reduced protocol: 60 of 60,000 training images, 3 of 5,000 epochs, {runs} of 20 runs."
        assert shown.text.count(reduced) == 1
    assert "2 runs a model (of some only 0), lr 0.001, input raw" in shown.text


def test_every_run_has_a_row_failed_ones_too(shown):
    rows = shown.text.split("Click a heading to sort.")[1]
    for model in ("ReLU2", "Abs-L2"):
        for name in ("raw", "normalized"):
            for seed in (0, 1):
                assert f"{model} {seed} mnist {name} 60 3 0.001" in rows
    assert "FAILED Abs raw seed 0: diverged: <script>alert(1)</script>" in shown.text
    assert "Some runs failed. They are in no mean, and count against the claims" in shown.text
    assert "Abs all failed – 0, 1 failed" in shown.text
    assert "Abs 95.26 ± 0.19 at 5,000 epochs all 1 failed no run" in shown.text


def test_text_from_runs_is_never_taken_for_markup(page_of_a_sweep):
    source = (page_of_a_sweep / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in source
    assert "&lt;script&gt;alert" in source


def test_it_says_how_and_on_what_it_was_run(shown):
    for words in ("python", "numpy", "cores", "(1 at a time)", "train-images-idx3-ubyte", "9 runs, "):
        assert words in shown.text


def test_figures_and_tables_stand_beside_the_page(page_of_a_sweep, shown):
    for name in ("raw", "normalized"):
        folder = page_of_a_sweep / "figures" / name
        stems = {path.stem for path in folder.glob("*.png")}
        assert {"accuracy", "learning-curves", "node-activity", "clamped-layer", "prototypes-Abs-L2"} <= stems
        assert {path.stem for path in folder.glob("*.txt")} == stems
        assert {f"{name}-{stem}" for stem in stems} <= {attributes.get("id") for attributes in shown.all("figure")}


def test_published_and_measured_numbers_stand_side_by_side(page_of_a_sweep, shown):
    records = [r for r in page.finished_records(page_of_a_sweep) if r.config.model == "ReLU2"]
    first, second = (r.final.test_accuracy for r in records if r.config.input == "raw")
    block = shown.text.split("2a ReLU2 fails catastrophically ")[1].split("The paper, ")[1]
    row = re.search(r"ReLU2 47\.20 ± 12\.00 at 5,000 epochs (\S+) ± \S+, n 2", block)
    assert float(row[1]) == pytest.approx((first + second) / 2, abs=0.005)


def test_settings_are_named_by_what_tells_them_apart():
    raw = Setting("mnist", "raw", 60, 3, 0.001)
    assert page.short_names([raw]) == {raw: "raw"}
    other, longer = replace(raw, input="normalized"), replace(raw, train_size=70)
    assert page.short_names([raw, other]) == {raw: "raw", other: "normalized"}
    assert page.short_names([raw, longer]) == {raw: "raw-train-size-60", longer: "raw-train-size-70"}


def test_runs_are_ordered_as_the_paper_orders_models(record):
    runs = [
        record("Abs-L2", 0, input="normalized"),
        record("ReLU-Bias", 0),
        record("Abs2", 1),
        record("Abs2", 0),
        record("ReLU", 10),
        record("ReLU", 2),
    ]
    names = [(r.config.model, r.config.seed) for r in page.in_order(runs)]
    assert names == [("ReLU", 2), ("ReLU", 10), ("Abs2", 0), ("Abs2", 1), ("ReLU-Bias", 0), ("Abs-L2", 0)]


def test_weights_that_are_lost_are_told_of_and_the_rest_is_shown(sweep_without_weights):
    page.write_page(sweep_without_weights, page.finished_records(sweep_without_weights))
    shown = Page((sweep_without_weights / "report.html").read_text(encoding="utf-8"))
    assert "There are no figures from trained weights:" in shown.text
    assert "model.npz is missing" in shown.text
    assert [attributes["id"] for attributes in shown.all("figure")] == ["raw-accuracy", "raw-learning-curves"]


def test_the_weights_of_one_run_that_are_lost_cost_its_own_figures_only(page_of_a_sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(exhibits, "from_records", lambda *_: [])
    monkeypatch.setattr(exhibits, "first_look", lambda trained: [partial(exhibits._activity, trained)])
    out = tmp_path / "out"
    shutil.copytree(page_of_a_sweep, out)
    (out / "runs" / "ReLU2-raw-seed0" / "model.npz").unlink()
    page.write_page(out, page.finished_records(out), complete=False)
    shown = Page((out / "report.html").read_text(encoding="utf-8"))
    assert shown.text.count("Some runs are missing in the figures from trained weights:") == 1
    assert "ReLU2-raw-seed0/model.npz is missing" in shown.text
    activity = (out / "figures" / "raw" / "node-activity.txt").read_text(encoding="utf-8")
    runs = {line.split()[0]: line.split()[-1] for line in activity.splitlines()[2:] if line.strip()}
    assert (runs["ReLU2"], runs["Abs-L2"]) == ("1", "2")


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_figure_is_made_and_shown_once(jobs, page_of_a_sweep, tmp_path, monkeypatch, pixel):
    one, other = (partial(Exhibit, name, "a title", "a text", "a table", pixel) for name in ("one", "other"))
    monkeypatch.setattr(exhibits, "from_records", lambda *_: [one])
    monkeypatch.setattr(exhibits, "first_look", lambda _: [other])
    out = tmp_path / "out"
    shutil.copytree(page_of_a_sweep, out)
    page.write_page(out, page.finished_records(out), jobs, complete=False)
    ids = re.findall(r'<figure id="([^"]*)"', (out / page.PAGE).read_text(encoding="utf-8"))
    assert ids == [f"{input}-{name}" for input in ("raw", "normalized") for name in ("one", "other")]


def test_figures_of_settings_that_are_gone_and_of_a_fuller_page_are_removed(
    page_of_a_sweep, tmp_path, monkeypatch, pixel
):
    one = partial(Exhibit, "one", "a title", "a text", "a table", pixel)
    monkeypatch.setattr(exhibits, "from_records", lambda *_: [one])
    monkeypatch.setattr(exhibits, "first_look", lambda _: [])
    out = tmp_path / "out"
    shutil.copytree(page_of_a_sweep, out)
    kept = out / "figures" / "raw" / "my-own.svg"
    kept.write_text("mine")
    for folder in out.glob("runs/*-normalized-*"):
        shutil.rmtree(folder)
    page.write_page(out, page.finished_records(out), complete=False)
    left = {str(path.relative_to(out / "figures")) for path in (out / "figures").rglob("*")}
    assert left == {"raw", "raw/one.png", "raw/one.txt", "raw/my-own.svg"}


def test_only_failures(record, tmp_path):
    failed = record("Abs", 0, status="diverged: loss nan")
    write_config(failed.config, tmp_path, parts=[])
    failed.save(tmp_path)
    page.write_page(tmp_path, [failed])
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "No run was successful." in text
    assert "FAILED Abs raw seed 0: diverged: loss nan" in text


def test_the_command_prints_the_verdicts_and_writes_the_page(sweep_without_weights, capsys):
    (sweep_without_weights / "report.html").unlink(missing_ok=True)
    assert cli.main(["report", str(sweep_without_weights)]) == 0
    shown = capsys.readouterr().out
    assert "NOT TESTED: 16 of 16 claims (raw input)" in shown
    assert f"Saved: {sweep_without_weights / 'report.html'}" in shown
    assert (sweep_without_weights / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(("where", "words"), [("nowhere", "nowhere is missing"), (".", "holds no finished runs")])
def test_a_folder_without_finished_runs(tmp_path, where, words, capsys):
    assert cli.main(["report", str(tmp_path / where)]) == 2
    assert f"{words}; give a folder that python -m tinydist.reproduce named" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_is_named_and_the_old_page_stays(sweep_without_weights, capsys):
    path = sweep_without_weights / "runs" / "ReLU-raw-seed0" / "result.json"
    contents = path.read_text()
    (sweep_without_weights / "report.html").write_text("the old page")
    path.write_text("{")
    try:
        assert cli.main(["report", str(sweep_without_weights)]) == 2
        assert "result.json is damaged" in capsys.readouterr().err
        with pytest.raises(DataError):
            load_record(path.parent)
    finally:
        path.write_text(contents)
    assert (sweep_without_weights / "report.html").read_text() == "the old page"


@pytest.mark.parametrize(
    ("failure", "status", "words"),
    [(KeyboardInterrupt(), 130, "the page is as it was before"), (OSError(28, "No space left"), 2, "No space left")],
)
def test_stopped_on_the_way_the_old_page_stays(sweep_without_weights, monkeypatch, failure, status, words, capsys):
    def fail(path, text):
        if path.name == "report.html":
            raise failure
        path.write_text(text)

    (sweep_without_weights / "report.html").write_text("the old page")
    monkeypatch.setattr(page, "write_atomically", fail)
    assert cli.main(["report", str(sweep_without_weights)]) == status
    assert words in capsys.readouterr().err
    assert (sweep_without_weights / "report.html").read_text() == "the old page"


def test_the_page_is_about_all_runs_in_the_folder_not_only_those_just_asked_for(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(page, "write_page", lambda out, records, *_, **__: shown.append(records) or out)
    sizes = ["--train-size", "60", "--epochs", "3", "--runs", "1", "--jobs", "1", "--out", str(tmp_path)]
    for model in ("ReLU", "Abs"):
        assert cli.main(["--models", model, *sizes]) == 0
    assert [record.config.model for record in shown[-1]] == ["ReLU", "Abs"]


def test_where_each_seed_has_rows_of_its_own_the_runs_of_one_seed_are_looked_at(record):
    runs = [("ReLU", 0, "diverged"), ("ReLU", 1, "ok"), ("ReLU2", 1, "ok"), ("ReLU2", 2, "ok")]
    for dataset, expected in (("wine", [("ReLU", 1), ("ReLU2", 1)]), ("gun-point", [run[:2] for run in runs])):
        records = [record(model, seed, status=status, dataset=dataset) for model, seed, status in runs]
        looked_at = page._on_the_same_rows(records)
        assert [(r.config.model, r.config.seed) for r in looked_at] == expected
