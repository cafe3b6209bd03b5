"""Whose costs they are, as metrics, model servers and vendors are told."""

from __future__ import annotations

from pilotfish.core.model.cost_owner import MOST_LABELS, CostOwner, cost_owner

OWNER = cost_owner("shop/web", ["team=payments", "example.com/cost-center=42"])


def test_who_is_not_known_is_not_told():
    nobody = cost_owner("", [])
    assert (nobody.metric_labels(), nobody.headers(), nobody.metadata()) == ({}, [], {})


def test_metrics_have_names_that_prometheus_takes():
    assert OWNER.metric_labels() == {
        "workload_namespace": "shop",
        "workload": "web",
        "label_team": "payments",
        "label_example_com_cost_center": "42",
    }


def test_servers_of_ones_own_are_told_by_headers():
    assert OWNER.headers() == [
        (b"x-pilotfish-namespace", b"shop"),
        (b"x-pilotfish-workload", b"web"),
        (b"x-pilotfish-label-team", b"payments"),
        (b"x-pilotfish-label-example-com-cost-center", b"42"),
    ]


def test_vendors_are_told_in_their_own_fields():
    fields = OWNER.metadata()
    assert fields["chat"] == ("user", b'"shop/web"')
    assert fields["messages"] == ("metadata", b'{"user_id": "shop/web"}')
    assert b'"team": "payments"' in fields["converse"][1]


def test_a_workload_without_a_namespace_and_text_that_is_no_label():
    found = cost_owner("web", ["team", "=x", "a=", "b=line\nbreak", " c = d "])
    assert found == CostOwner("", "web", {"c": "d"})


def test_labels_are_bounded():
    assert len(cost_owner("w", [f"l{i}=v" for i in range(99)]).labels) == MOST_LABELS
