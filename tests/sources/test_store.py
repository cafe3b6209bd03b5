"""Rules come into force whole or not at all, and what was wrong is remembered until it is
mended.
"""

import copy

import pytest
from structlog.testing import capture_logs

from pilotfish.core.rules.documents import RulesDocument, documents_of_text, or_empty
from pilotfish.errors import Problem
from pilotfish.sources.store import LOGGED_NAMES, RulesStore
from pilotfish.telemetry import series as s
from pilotfish.telemetry.registry import Registry


class World:
    def __init__(self):
        self.adopted = []
        self.registry = Registry()
        self.unmet, self.warnings = [], []
        self.store = RulesStore(
            self.adopted.append,
            self.registry,
            unmet=lambda snapshot: self.unmet,
            warnings=lambda snapshot: self.warnings,
            allow_inline_secrets=False,
        )

    def number(self, series, *labels):
        return self.registry[series].children[labels].value


@pytest.fixture
def world():
    return World()


GOOD, OTHER = (
    RulesDocument("test", {"rules": []}),
    RulesDocument("other", {"rules": [], "prices": {}}),
)
BAD = RulesDocument("test", {"rules": "many", "colour": "red"})


def test_a_bad_document_changes_nothing_and_counts_once_however_often_it_is_read(world):
    assert world.store.apply([GOOD])
    before = world.store.snapshot
    for _ in range(3):
        assert not world.store.apply([BAD])
    assert (world.store.snapshot, len(world.adopted)) == (before, 1)
    assert len(world.store.problems) == 2
    assert (
        world.number(s.RELOADS, "rejected"),
        world.number(s.RELOAD_OK),
        world.number(s.PROBLEMS),
    ) == (1, 0, 2)
    assert [p["path"] for p in world.store.status()["problems"]] == [
        p.path for p in world.store.problems
    ]


def test_the_next_good_document_clears_the_problems(world):
    world.store.apply([BAD])
    assert world.store.status()["version"] is None
    assert world.store.apply([GOOD])
    assert (world.store.problems, world.number(s.RELOAD_OK), world.number(s.PROBLEMS)) == ([], 1, 0)


def test_the_same_rules_again_are_not_adopted_again(world):
    assert world.store.apply([GOOD])
    assert world.store.apply([GOOD])
    assert (len(world.adopted), world.number(s.RELOADS, "applied")) == (1, 1)


def test_rules_that_this_installation_cannot_serve_are_refused(world):
    world.unmet = [Problem("test", "providers.p", "needs what is not installed")]
    assert not world.store.apply([GOOD])
    assert (world.adopted, world.store.problems[0].message) == ([], "needs what is not installed")


def test_a_fault_of_our_own_stops_nobody_who_watches_and_is_told(world, monkeypatch, capsys):
    world.store.apply([GOOD])

    def broken(documents, allow_inline_secrets):
        raise ZeroDivisionError

    monkeypatch.setattr("pilotfish.sources.store.judged", broken)
    assert not world.store.apply([OTHER])
    assert "proxy's own" in world.store.problems[0].message
    assert world.store.problems[0].source == "other"
    assert "ZeroDivisionError" in capsys.readouterr().out
    monkeypatch.undo()
    assert world.store.apply([OTHER])


def test_warnings_are_shown_and_the_rules_are_in_force(world):
    world.warnings = [Problem("test", "providers.p.token", "not there yet")]
    assert world.store.apply([GOOD])
    assert (
        len(world.adopted),
        len(world.store.problems),
        world.number(s.RELOAD_OK),
        world.number(s.PROBLEMS),
    ) == (1, 1, 1, 1)


def test_what_the_rules_hold_is_counted_from_nothing_on_and_a_bad_edit_changes_no_number(world):
    kinds = ("rule", "virtual_model", "provider")
    held = lambda: [world.number(s.CONFIG_ENTRIES, kind) for kind in kinds]  # noqa: E731
    assert held() == [0, 0, 0]
    provider = {"kind": "openai", "no_key_required": True}
    service = {"provider": "p", "model": "m"}
    rules = {
        "providers": {"p": provider},
        "rules": [{"name": n, "request_model": n, "services": [service]} for n in ("a", "b")],
    }
    assert world.store.apply([RulesDocument("test", rules)])
    assert held() == [2, 0, 1]
    world.store.apply([BAD])
    assert held() == [2, 0, 1]
    assert world.store.apply([RulesDocument("test", {"rules": [], "allow_empty": True})])
    assert held() == [0, 0, 0]


def test_only_the_version_in_force_has_a_series(world):
    world.store.apply([GOOD])
    world.store.apply([OTHER])
    assert list(world.registry[s.CONFIG_INFO].children) == [(world.store.snapshot.version,)]
    assert world.store.status()["applied_at"].endswith("Z")


def test_tags_of_providers_are_in_their_info_metric_as_long_as_they_are_in_force(world):
    providers: dict[str, dict[str, object]] = {
        "t": {"kind": "ollama", "no_key_required": True, "tags": ["gpu", "eu"]}
    }
    assert world.store.apply(
        [RulesDocument("test", {"providers": copy.deepcopy(providers), "rules": []})]
    )
    held = set(world.registry[s.PROVIDER_INFO].children)
    assert {("t", "ollama", "gpu"), ("t", "ollama", "eu")} <= held
    del providers["t"]["tags"]
    assert world.store.apply([RulesDocument("test", {"providers": providers, "rules": []})])
    assert list(world.registry[s.PROVIDER_INFO].children) == [("t", "ollama", "")]


def test_status_says_since_when_edits_arrive_or_do_not(world, monkeypatch):
    """Rules that are in force say nothing of whether the next edit will be."""
    now = [1_000_000.0]
    monkeypatch.setattr("pilotfish.sources.store.time.time", lambda: now[0])
    assert world.store.status()["source"] == {"connected": False, "since": None}
    world.store.connected(True)
    now[0] += 60
    world.store.connected(False)
    now[0] += 60
    world.store.connected(False)
    since = "1970-01-12T13:47:40.000Z"
    assert world.store.status()["source"] == {"connected": False, "since": since}


def test_whether_the_source_can_be_read_is_a_gauge(world):
    world.store.connected(True)
    assert world.number(s.SOURCE_CONNECTED) == 1
    world.store.connected(False)
    assert world.number(s.SOURCE_CONNECTED) == 0


RULES = """
providers: {p: {kind: ollama, no_key_required: true}}
rules: [{name: a, request_model: a, services: [{provider: p, model: m}]}]
"""


def files(*texts):
    return [d for i, t in enumerate(texts) for d in or_empty(f"{i}", documents_of_text(f"{i}", t))]


@pytest.mark.parametrize("left", ["", "rules: []", "rules:\n"])
def test_rules_that_vanish_stay_in_force_and_the_place_is_told(world, left):
    assert world.store.apply(files(RULES))
    before = world.store.snapshot
    assert not world.store.apply(files(left))
    assert (world.store.snapshot, len(world.adopted)) == (before, 1)
    assert "`allow_empty: true` says that it is meant" in world.store.problems[0].message
    assert world.store.apply(files(RULES))
    assert world.store.problems == []


def test_what_is_still_missing_at_the_next_change_is_still_a_problem(world):
    """One file of two stays empty while the other is edited."""
    more = "prices: {p/m: {input: 1}}"
    assert world.store.apply(files(RULES, more))
    assert not world.store.apply(files(RULES, ""))
    assert not world.store.apply(files(RULES.replace("name: a", "name: b"), ""))
    assert [r.name for r in world.store.snapshot.rules] == ["a"]


def test_where_it_is_meant_rules_may_go(world):
    assert world.store.apply(files(RULES))
    assert world.store.apply(files("allow_empty: true"))
    assert (world.store.snapshot.rules, world.store.problems) == ((), [])


def test_the_log_names_some_of_thousands_of_rules(world):
    services = [{"provider": "p", "model": "m"}]
    rules = [{"name": f"r{n}", "services": services} for n in range(LOGGED_NAMES + 5)]
    data = {"providers": {"p": {"kind": "ollama"}}, "rules": rules}
    with capture_logs() as lines:
        assert world.store.apply([GOOD])
        assert world.store.apply([RulesDocument("test", data)])
    applied = [line for line in lines if line["event"] == "rules_applied"][1]
    for names in (applied["rules"], applied["added"]):
        assert len(names) == LOGGED_NAMES + 1
        assert names[-1] in ("and 5 more", "and 6 more")  # a provider was added, too
