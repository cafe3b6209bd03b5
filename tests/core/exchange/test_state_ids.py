"""Ids in answers and requests, however these are cut."""

from __future__ import annotations

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange.state_ids import (
    NOTED_IDS,
    SEARCHED_BYTES,
    GivenIds,
    ids_in_body,
    ids_in_path,
)

BATCH = orjson.dumps(
    {
        "id": "batch_000001",
        "object": "batch",
        "input_file_id": "file-000002",
        "output_file_id": "file-000003",
        "errors": None,
        "metadata": {"name": "my batch", "id": 7},
        "model": "models/x",
    }
)


def found(*pieces: bytes) -> list[str]:
    ids = GivenIds()
    for piece in pieces:
        ids.feed(piece)
    return list(ids.ids)


@given(st.lists(st.integers(0, len(BATCH)), max_size=6))
def test_ids_are_found_however_an_answer_is_cut(cuts):
    edges = [0, *sorted(cuts), len(BATCH)]
    pieces = [BATCH[a:b] for a, b in pairwise(edges)]
    assert found(*pieces) == ["batch_000001", "file-000002", "file-000003"]


def test_googles_names_are_paths_and_those_of_people_are_not():
    body = b'{"file": {"name": "files/abc-123", "displayName": "x"}, "name": "Anna Karenina"}'
    assert found(body) == ["files/abc-123"]


def test_a_long_list_gives_no_more_than_are_worth_keeping():
    body = orjson.dumps({"data": [{"id": f"file-{i:06d}"} for i in range(10_000)]})
    assert len(found(body)) == NOTED_IDS


def test_a_path_may_name_several():
    assert list(ids_in_path("/vector_stores/vs_1/files/file-1", "limit=5&after=file-0")) == [
        "vector_stores/vs_1/files/file-1",
        "vector_stores/vs_1/files",
        "vector_stores/vs_1",
        "vs_1",
        "files",
        "file-1",
        "file-0",
    ]
    assert "files/abc" in list(ids_in_path("/files/abc:download", "alt=media"))
    assert "tok" in list(ids_in_path("/files", "upload_id=tok"))


def test_of_a_body_the_beginning_is_searched():
    body = orjson.dumps({"input_file_id": "file-000001", "x": "a" * SEARCHED_BYTES, "y": "file-2"})
    assert "file-000001" in list(ids_in_body(body))
    assert "file-2" not in list(ids_in_body(body))
