import threading
import time

from tests.exercises.mutants import without_end
from tinydist.exercises import watch
from tinydist.exercises.table import EXERCISES, find


def test_each_saved_file_is_yielded_and_the_last_one_again_for_a_helper(workspace, monkeypatch):
    monkeypatch.setattr(watch, "EVERY", 0.01)
    helper = workspace.folder / "helpers.py"
    helper.write_text("x = 1\n", encoding="utf-8")
    saves = [
        lambda: workspace.path(find("mul")).write_text("mine", encoding="utf-8"),
        lambda: helper.write_text("x = 22\n", encoding="utf-8"),
        lambda: workspace.path(find("sum")).unlink(),  # as some editors do before they write
        lambda: workspace.path(find("sum")).write_text("mine", encoding="utf-8"),
        lambda: (workspace.folder / "notes.txt").write_text("no answer", encoding="utf-8"),
        lambda: workspace.path(find("abs")).write_text("mine", encoding="utf-8"),
    ]

    def save_one_by_one():
        for save in saves:
            time.sleep(0.1)
            save()

    thread = threading.Thread(target=save_one_by_one)
    changes = watch.changed(workspace, EXERCISES)
    thread.start()
    with without_end(20):  # if two savings fall into one look, one would be waited for without end
        seen = [next(changes).name for _ in range(4)]
    thread.join()
    assert seen == ["mul", "mul", "sum", "abs"]
