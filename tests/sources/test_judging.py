"""What the store is told of documents that compile: the rules, and no more of the text than needed."""

import pytest

from pilotfish.core.rules.configmap_set import Offered
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.errors import RuleError
from pilotfish.sources.judging import judged, read_configmaps

LOCAL = {"kind": "openai_compatible", "api_base": "http://x.test", "no_key_required": True}
RULE = {"name": "chat", "services": [{"provider": "p", "model": "m"}]}


def configmap(name, **data):
    return Offered(f"configmap:shop/{name}@1", {"metadata": {"name": name}, "data": data})


def test_the_problems_of_all_configmaps_are_told_together():
    offered = [configmap("a", **{"x.yaml": "rules: ["}), configmap("b", **{"y.json": "{"})]
    with pytest.raises(RuleError) as refused:
        read_configmaps(offered)
    assert [p.source for p in refused.value.problems] == [
        "configmap:shop/a@1: x.yaml",
        "configmap:shop/b@1: y.json",
    ]


def test_a_configmap_without_rules_is_known_to_be_there():
    documents = read_configmaps([configmap("a", **{"README.md": "nothing"})])
    assert [(d.source, d.data) for d in documents] == [("configmap:shop/a@1", {})]


def test_of_the_documents_only_their_names_and_whether_they_hold_anything_are_kept():
    found = judged(
        [
            RulesDocument("a", {"providers": {"p": LOCAL}, "rules": [RULE]}, {"rules": 1}, "map-a"),
            RulesDocument("b", {"rules": []}),
        ],
        False,
    )
    assert [rule.name for rule in found.snapshot.rules] == ["chat"]
    assert [(d.source, d.origin, bool(d.data), d.lines) for d in found.outlines] == [
        ("a", "map-a", True, {}),
        ("b", "", False, {}),
    ]
    assert set(found.entries) == {"provider p", "rule chat"}
    assert "x.test" not in repr(found.outlines) + repr(found.entries)
