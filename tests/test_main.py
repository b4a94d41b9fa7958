"""``python -m tinydist``: the list of commands, and the way to each."""

import pytest

from tinydist import __version__
from tinydist.__main__ import COMMANDS, main


def test_without_a_command_all_are_listed(capsys):
    assert main([]) == 2
    shown = capsys.readouterr().out
    for name, words in COMMANDS.items():
        assert f"{name:11}{words}" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_shows_its_own_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: python -m tinydist.{name} " in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_arguments_reach_the_command_and_its_status_comes_back(tmp_path, capsys):
    assert main(["reproduce", "status", str(tmp_path)]) == 2
    assert "holds no runs" in capsys.readouterr().err
    assert main(["exercises", "list"]) == 0
    assert "relu" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["reprodcue"])
    assert "invalid choice: 'reprodcue'" in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"tinydist {__version__}\n"
