"""Rules come into force whole or not at all, and what was wrong is remembered until it is mended."""

import pytest

from pilotfish.core.rules.documents import Document
from pilotfish.errors import Problem
from pilotfish.sources.store import RulesKeeper
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Meters


class World:
    def __init__(self):
        self.adopted = []
        self.meters = Meters()
        self.keeper = RulesKeeper(self.adopted.append, self.meters, allow_inline_secrets=False)

    def number(self, series, *labels):
        return self.meters[series].number(*labels).value


@pytest.fixture
def world():
    return World()


GOOD, OTHER = Document("test", {"rules": []}), Document("other", {"rules": [], "prices": {}})
BAD = Document("test", {"rules": "many", "colour": "red"})


def test_a_bad_document_changes_nothing_and_counts_once_however_often_it_is_read(world):
    assert world.keeper.offer([GOOD])
    before = world.keeper.snapshot
    for _ in range(3):
        assert not world.keeper.offer([BAD])
    assert (world.keeper.snapshot, len(world.adopted)) == (before, 1)
    assert len(world.keeper.problems) == 2
    assert (world.number(s.RELOADS, "rejected"), world.number(s.RELOAD_OK), world.number(s.PROBLEMS)) == (1, 0, 2)
    assert [p["path"] for p in world.keeper.status()["problems"]] == [p.path for p in world.keeper.problems]


def test_the_next_good_document_clears_the_problems(world):
    world.keeper.offer([BAD])
    assert world.keeper.status()["version"] is None
    assert world.keeper.offer([GOOD])
    assert (world.keeper.problems, world.number(s.RELOAD_OK), world.number(s.PROBLEMS)) == ([], 1, 0)


def test_the_same_rules_again_are_not_adopted_again(world):
    assert world.keeper.offer([GOOD])
    assert world.keeper.offer([GOOD])
    assert (len(world.adopted), world.number(s.RELOADS, "applied")) == (1, 1)


def test_rules_that_this_installation_cannot_serve_are_refused(world):
    world.keeper.unmet = lambda snapshot: [Problem("test", "providers.p", "needs what is not installed")]
    assert not world.keeper.offer([GOOD])
    assert (world.adopted, world.keeper.problems[0].message) == ([], "needs what is not installed")


def test_a_fault_of_our_own_stops_nobody_who_watches_and_is_told(world, monkeypatch, capsys):
    world.keeper.offer([GOOD])

    def broken(documents, allow_inline_secrets):
        raise ZeroDivisionError

    monkeypatch.setattr("pilotfish.sources.store.compiled", broken)
    assert not world.keeper.offer([OTHER])
    assert "proxy's own" in world.keeper.problems[0].message
    assert world.keeper.problems[0].source == "other"
    assert "ZeroDivisionError" in capsys.readouterr().out
    monkeypatch.undo()
    assert world.keeper.offer([OTHER])


def test_warnings_are_shown_and_the_rules_are_in_force(world):
    world.keeper.warnings = lambda snapshot: [Problem("test", "providers.p.token", "not there yet")]
    assert world.keeper.offer([GOOD])
    assert (len(world.adopted), len(world.keeper.problems), world.number(s.RELOAD_OK), world.number(s.PROBLEMS)) == (1, 1, 1, 1)


def test_only_the_version_in_force_has_a_series(world):
    world.keeper.offer([GOOD])
    world.keeper.offer([OTHER])
    assert list(world.meters[s.CONFIG_INFO].cells) == [(world.keeper.snapshot.version,)]
    assert world.keeper.status()["applied_at"].endswith("Z")


def test_whether_the_source_can_be_read_is_a_gauge(world):
    world.keeper.connected(True)
    assert world.number(s.SOURCE_CONNECTED) == 1
    world.keeper.connected(False)
    assert world.number(s.SOURCE_CONNECTED) == 0
