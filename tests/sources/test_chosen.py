"""Which source of rules the settings choose, and that a proxy without one says what to set."""

from __future__ import annotations

import pytest

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.errors import StartError
from pilotfish.settings import Settings
from pilotfish.sources.chosen import source_of_rules
from pilotfish.sources.store import RulesStore
from pilotfish.telemetry.registry import Registry

GOOD = "providers: {p: {kind: ollama}}\nrules: [{name: r, services: [{provider: p, model: m}]}]\n"


@pytest.fixture
def adopted(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    snapshots: list[Snapshot] = []
    return snapshots


def chosen(adopted, **settings):
    registry = Registry()
    store = RulesStore(
        adopted.append,
        registry,
        unmet=lambda snapshot: [],
        warnings=lambda snapshot: [],
        allow_inline_secrets=False,
    )
    return source_of_rules(Settings(**settings), store, registry), store


def test_without_files_and_without_a_cluster_there_is_nowhere_to_read_rules_from(adopted):
    with pytest.raises(StartError, match="nowhere to read rules from: set PILOTFISH_CONFIG"):
        chosen(adopted)


async def test_a_file_that_is_missing_is_a_problem_and_read_once_it_is_there(adopted, tmp_path):
    path = tmp_path / "rules.yaml"
    source, store = chosen(adopted, config=(str(path),))
    await source.read()
    assert adopted == []
    assert [problem.source for problem in store.problems] == [f"file:{path}"]
    path.write_text(GOOD)
    await source.read()
    assert [[rule.name for rule in snapshot.rules] for snapshot in adopted] == [["r"]]
    assert store.problems == []


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        ({"kubeconfig": "somewhere"}, {}),
        ({}, {"KUBECONFIG": "somewhere"}),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}),
    ],
)
async def test_in_a_cluster_rules_come_from_configmaps(settings, environ, adopted, monkeypatch):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    source, _ = chosen(adopted, **settings)
    assert source.name == "configmaps"
    await source.read()
    assert adopted == [], "nothing is at hand before the cluster has answered"


def test_files_win_over_a_cluster(adopted, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    source, _ = chosen(adopted, config=(str(tmp_path),))
    assert source.name == "files"
