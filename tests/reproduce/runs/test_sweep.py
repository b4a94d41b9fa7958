import errno

import pytest

from tinydist.reproduce.runs import pool, records, sweep
from tinydist.reproduce.runs.pool import LocalPool
from tinydist.reproduce.runs.records import is_finished, load_record


def outcomes(runs):
    return {run.config: run.curve for run in runs}


def test_one_worker_or_two_same_numbers(config, tmp_path):
    configs = [config(model, seed) for seed in (0, 1) for model in ("ReLU", "Abs-L2")]
    alone = sweep.sweep(configs, tmp_path / "alone", LocalPool(1))
    together = sweep.sweep(configs, tmp_path / "together", LocalPool(2))
    assert [run.config for run in together] == configs
    assert outcomes(alone) == outcomes(together)


def test_processes_begin_with_unlike_models_and_the_first_seed(config, tmp_path, monkeypatch):
    models = ("ReLU", "Abs", "ReLU2", "ReLU-L2", "Abs-L2")
    configs = [config(model, seed) for seed in (0, 1) for model in models]
    begun = []
    original = pool.execute
    monkeypatch.setattr(pool, "execute", lambda c, *rest: begun.append(c) or original(c, *rest))
    done = sweep.sweep(configs, tmp_path, LocalPool(1))
    assert [run.config for run in done] == configs
    order = ["ReLU", "Abs-L2", "Abs", "ReLU-L2", "ReLU2"]
    assert begun == [config(model, seed) for seed in (0, 1) for model in order]


def test_finished_runs_are_not_repeated(config, tmp_path, monkeypatch):
    first = sweep.sweep([config("ReLU", 0)], tmp_path, LocalPool(1))
    executed = []
    original = pool.execute
    monkeypatch.setattr(pool, "execute", lambda c, *rest: executed.append(c) or original(c, *rest))
    both = sweep.sweep([config("ReLU", 0), config("ReLU", 1)], tmp_path, LocalPool(1))
    assert executed == [config("ReLU", 1)]
    assert both[0] == first[0]
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3


def test_a_run_that_is_asked_for_twice_is_refused_before_any_work(config, tmp_path):
    with pytest.raises(ValueError, match="two of these runs share a folder"):
        sweep.sweep([config("ReLU", 0), config("ReLU", 0)], tmp_path / "new", LocalPool(1))
    assert not (tmp_path / "new").exists()


def test_interrupted_in_the_middle_what_was_finished_stays(config, tmp_path, monkeypatch):
    original = pool.execute

    def interrupt_second(c, *rest):
        if c.seed == 1:
            raise KeyboardInterrupt
        return original(c, *rest)

    configs = [config("ReLU", 0), config("ReLU", 1)]
    with monkeypatch.context() as patch:
        patch.setattr(pool, "execute", interrupt_second)
        with pytest.raises(KeyboardInterrupt):
            sweep.sweep(configs, tmp_path, LocalPool(1))
    assert [is_finished(c, tmp_path) for c in configs] == [True, False]
    resumed = sweep.sweep(configs, tmp_path, LocalPool(1))
    fresh = sweep.sweep(configs, tmp_path / "fresh", LocalPool(1))
    assert outcomes(resumed) == outcomes(fresh)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverges_is_recorded_and_the_others_go_on(config, tmp_path):
    runs = sweep.sweep([config("ReLU", seed, lr=1e30) for seed in (0, 1)], tmp_path, LocalPool(1))
    assert all(run.status.startswith("diverged: the training loss became") for run in runs)
    assert load_record(runs[1].config.folder(tmp_path)) == runs[1]


def test_a_full_disk_loses_only_the_run_that_did_not_fit(config, tmp_path, monkeypatch):
    original = records.write_atomically

    def full(path, text):
        if "seed1" in path.parent.name and path.name == "result.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        original(path, text)

    configs = [config("ReLU", 0), config("ReLU", 1)]
    with monkeypatch.context() as patch:
        patch.setattr(records, "write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            sweep.sweep(configs, tmp_path, LocalPool(1))
    assert load_record(configs[0].folder(tmp_path)).status == "ok"
    assert len(sweep.sweep(configs, tmp_path, LocalPool(1))) == 2
