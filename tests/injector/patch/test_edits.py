"""The patch and the result are made together; these are the corners of RFC 6902 that the goldens do
not reach.
"""

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.injector.patch.edits import Edits, pointer


def test_slashes_and_tildes_in_keys_are_escaped():
    assert pointer(("a/b", "~c", 0)) == "/a~1b/~0c/0"


def test_a_missing_parent_comes_with_its_child_in_one_operation():
    edits = Edits({})
    edits.set(("metadata", "annotations", "a"), "1")
    assert edits.operations == [
        {"op": "add", "path": "/metadata", "value": {"annotations": {"a": "1"}}}
    ]


def test_a_null_parent_is_replaced_since_add_into_null_is_an_error():
    edits = Edits({"metadata": {"annotations": None}})
    edits.set(("metadata", "annotations", "a"), "1")
    assert [(o["op"], o["path"]) for o in edits.operations] == [
        ("replace", "/metadata/annotations")
    ]


def test_setting_what_stands_there_already_is_no_operation():
    edits = Edits({"a": {"b": 1}})
    edits.set(("a", "b"), 1)
    assert edits.operations == []


def test_a_new_array_takes_further_items_into_the_same_operation():
    edits = Edits({"spec": {}})
    edits.append(("spec", "volumes"), 1)
    edits.append(("spec", "volumes"), 2)
    edits.insert(("spec", "volumes"), 0, 0)
    assert edits.operations == [{"op": "add", "path": "/spec/volumes", "value": [0, 1, 2]}]


def test_what_the_caller_changes_afterwards_is_not_in_the_patch():
    edits, volume = Edits({}), {"name": "a"}
    edits.append(("volumes",), volume)
    volume["name"] = "b"
    assert edits.document == {"volumes": [{"name": "a"}]}
    assert edits.operations[0]["value"] == [{"name": "a"}]


steps = st.lists(
    st.tuples(st.sampled_from(["set", "append", "first"]), st.sampled_from("abc"), st.integers()),
    max_size=12,
)


@given(
    steps,
    st.fixed_dictionaries({}, optional={"a": st.lists(st.integers(), max_size=2), "b": st.none()}),
)
def test_the_patch_always_leads_to_the_document(steps, document):
    edits = Edits(document)
    for kind, key, value in steps:
        if kind == "set":
            edits.set((f"set-{key}", key), value)
        else:
            edits.insert((key,), 0 if kind == "first" else len(edits.get((key,)) or ()), value)
    assert jsonpatch.apply_patch(document, edits.operations) == edits.document


@pytest.mark.parametrize("path", [("a", "b"), ("list", 5), ("list", "x"), ("text", "y")])
def test_asking_for_what_is_not_there_answers_none(path):
    assert Edits({"list": [1], "text": "t"}).get(path) is None
