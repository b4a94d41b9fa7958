import pytest

from tinydist.bench import measure


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Nothing here is about how fast anything is."""
    monkeypatch.setattr(measure, "PAUSE", 0)
    monkeypatch.setattr(measure, "WAKE", 0)
