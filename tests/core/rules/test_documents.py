"""Rules files and the ConfigMaps of manifests."""

from __future__ import annotations

import pytest

from pilotfish.core.rules.documents import (
    documents_of_config_map,
    documents_of_manifest,
    documents_of_text,
    read_documents,
    read_text,
)
from pilotfish.errors import RuleError


def config_map(name: str, data: str, labels: str = "") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: ns{labels}}}\ndata:\n{data}\n"


def test_every_document_of_a_text_knows_its_source() -> None:
    documents = read_documents("rules.yaml", "rules: []\n---\nproviders: {}\n")
    assert [(d.source, d.data) for d in documents] == [
        ("rules.yaml", {"rules": []}),
        ("rules.yaml", {"providers": {}}),
    ]


def test_an_empty_text_is_nothing() -> None:
    assert read_documents("rules.yaml", "# nothing\n") == []
    assert read_documents("rules.json", "") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("- a", "a list"), ("words", "text"), ("3", "a number"), ("true", "a boolean")],
)
def test_a_document_that_is_no_object_is_a_problem(text: str, found: str) -> None:
    with pytest.raises(RuleError, match=f"expected an object .* found {found}"):
        read_documents("rules.yaml", text)


def test_a_json_file_is_read_as_json() -> None:
    with pytest.raises(RuleError, match=r"rules\.json: \.: not JSON"):
        read_documents("rules.json", "rules: []")


def test_a_manifests_config_maps_are_found_in_lists_too() -> None:
    inner = config_map(
        "a", "  a.yaml: 'x: 1'\n  b.json: '{\"y\": 2}'\n  notes.txt: not rules"
    ).replace("\n", "\n    ")
    text = f"apiVersion: v1\nkind: List\nitems:\n  - {inner}\n---\napiVersion: v1\nkind: Secret\ndata: {{c.yaml: eDogMQ==}}\n"
    assert [(d.source, d.data) for d in documents_of_manifest("m.yaml", text)] == [
        ("m.yaml: configmap ns/a: a.yaml", {"x": 1}),
        ("m.yaml: configmap ns/a: b.json", {"y": 2}),
    ]


def test_items_of_a_config_map_list_need_not_say_what_they_are() -> None:
    text = "apiVersion: v1\nkind: ConfigMapList\nitems: [{metadata: {name: a}, data: {a.yaml: 'x: 1'}}, 3]"
    assert [d.source for d in documents_of_manifest("m.yaml", text)] == [
        "m.yaml: configmap default/a: a.yaml"
    ]


def test_where_some_config_map_is_marked_as_rules_the_others_are_left_alone() -> None:
    """A chart's manifest also holds dashboards and settings of others, which are no rules."""
    marked = config_map("rules", "  a.yaml: 'x: 1'", ', labels: {pilotfish.dev/config: "true"}')
    other = config_map("dashboards", "  b.json: '{\"panels\": []}'")
    assert [d.data for d in documents_of_manifest("m.yaml", f"{other}---\n{marked}")] == [{"x": 1}]
    assert len(documents_of_manifest("m.yaml", f"{other}---\n{other}")) == 2


def test_problems_of_all_keys_come_at_once_beside_what_could_be_read() -> None:
    reading = read_text(
        "m.yaml",
        config_map("a", "  a.yaml: 'x: ['\n  b.yml: '- 1'\n  c.yaml: 'x: 1'\n  d.yaml: [1]"),
    )
    assert [p.source.rpartition(" ")[2] for p in reading.problems] == ["a.yaml", "b.yml", "d.yaml"]
    assert [d.data for d in reading.documents] == [{"x": 1}]
    with pytest.raises(RuleError):
        reading.whole()


def test_data_that_is_no_object_is_a_problem() -> None:
    with pytest.raises(RuleError, match="cm: data: expected an object, found a list"):
        documents_of_config_map("cm", {"data": [1]})


def test_a_document_knows_the_file_or_config_map_it_came_from() -> None:
    (one,) = documents_of_config_map("configmap:ns/a@7", {"data": {"a.yaml": "x: 1"}})
    assert (one.source, one.origin) == ("configmap:ns/a@7: a.yaml", "configmap:ns/a@7")
    (two,) = documents_of_text("file:m.yaml", config_map("a", "  a.yaml: 'x: 1'"))
    assert (two.source, two.origin) == ("file:m.yaml: configmap ns/a: a.yaml", "file:m.yaml")


def test_a_config_map_without_data_is_nothing() -> None:
    assert documents_of_config_map("cm", {"metadata": {"name": "a"}}) == []


def test_a_text_is_a_manifest_where_it_says_so() -> None:
    assert [d.source for d in documents_of_text("f", config_map("a", "  a.yaml: 'x: 1'"))] == [
        "f: configmap ns/a: a.yaml"
    ]
    assert [d.source for d in documents_of_text("f", "x: 1")] == ["f"]
    with pytest.raises(RuleError, match="not YAML"):
        documents_of_text("f", "x: [")
