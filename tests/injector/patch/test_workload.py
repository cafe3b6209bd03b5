"""What a Pod belongs to, by its owner, and which of its labels go with its costs."""

from __future__ import annotations

from typing import Any

import pytest

from pilotfish.injector.patch.workload import cost_env, workload_of


def pod(kind: str = "", owner: str = "", **metadata: Any) -> dict[str, Any]:
    owners = [{"kind": kind, "name": owner, "controller": True}] if kind else []
    return {"metadata": {"ownerReferences": owners, **metadata}}


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (pod("ReplicaSet", "web-5d8c", labels={"pod-template-hash": "5d8c"}), "web"),
        (pod("ReplicaSet", "own-set"), "own-set"),
        (pod("StatefulSet", "db"), "db"),
        (pod("Job", "nightly-29384756"), "nightly"),
        (pod("Job", "once-1234"), "once-1234"),
        (pod(name="alone"), "alone"),
        (pod(generateName="alone-"), "alone"),
        ({}, ""),
        ({"metadata": {"ownerReferences": "nonsense"}}, ""),
    ],
)
def test_a_pod_belongs_to_what_made_it(made, name):
    assert workload_of(made) == name


def test_the_kubelet_writes_the_namespace_in():
    assert cost_env(pod("StatefulSet", "db"), []) == [
        ("PILOTFISH_WORKLOAD", "$(PILOTFISH_NAMESPACE)/db")
    ]


def test_only_labels_that_the_pod_has_are_told():
    made = pod(name="p", labels={"team": "payments", "odd": "a,b=c", "other": "x"})
    assert cost_env(made, ["team", "missing", "odd"])[1] == (
        "PILOTFISH_COST_LABELS",
        "team=payments",
    )
