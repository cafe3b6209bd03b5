"""Several watches, one set of ConfigMaps."""

import pytest

from pilotfish.core.rules.configmap_set import Collected, Wanted, holds_rules, wanted_from


def configmap(name, version="1", namespace="shop"):
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
        "data": {},
    }


A, B = Wanted("shop", "a"), Wanted("common", "b")


@pytest.mark.parametrize(
    ("data", "holds"),
    [
        ({"rules.yaml": "rules: []"}, True),
        ({"rules.yaml": " \n"}, False),
        ({"README.md": "text"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_configmap_holds_rules_where_a_key_for_them_has_text(data, holds):
    assert holds_rules({"data": data}) is holds


def test_settings_name_configmaps_with_or_without_a_namespace():
    assert wanted_from(["a", " common/b ", "", "a"], "x=y", "shop") == [A, B]


def test_without_names_the_selector_counts_in_our_own_namespace():
    assert wanted_from([], "x=y", "shop") == [Wanted("shop", selector="x=y")]


def test_nothing_is_complete_before_every_watch_has_listed():
    collected = Collected([A, B])
    collected.listed(A, [configmap("a")])
    assert not collected.is_complete()
    collected.listed(B, [])
    assert collected.is_complete()
    assert [repr(p) for p in collected.missing()] == ["configmap:common/b: .: not found"]


def test_the_order_is_the_settings_and_changes_keep_it():
    collected = Collected([B, A])
    collected.listed(A, [configmap("a")])
    collected.listed(B, [configmap("b", namespace="common")])
    collected.changed(A, "MODIFIED", configmap("a", "2"))
    assert [o.source for o in collected.offered()] == ["configmap:common/b@1", "configmap:shop/a@2"]


def test_a_configmap_that_two_watches_see_is_offered_once():
    by_label = Wanted("shop", selector="x=y")
    collected = Collected([A, by_label])
    collected.listed(A, [configmap("a")])
    collected.listed(by_label, [configmap("a")])
    assert len(collected.offered()) == 1


def test_a_deletion_of_what_was_never_seen_is_nothing():
    collected = Collected([A])
    collected.listed(A, [])
    collected.changed(A, "DELETED", configmap("a"))
    assert collected.offered() == []
