"""Ids in answers and requests, however these are cut."""

from __future__ import annotations

from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange import endpoints
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.state_ids import (
    NOTED_IDS,
    SEARCHED_BYTES,
    GivenIds,
    ids_in_body,
    ids_in_path,
    ids_named,
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


def named(path: str, **body: object) -> list[str]:
    data = orjson.dumps({"model": "m", **body})
    return ids_named(Inbound(endpoints.find(path), path, "", [], data, "id", ""))


def test_a_request_that_is_routed_by_model_names_what_it_goes_on_from():
    assert named("/v1/responses", input="x", previous_response_id="resp_000001") == ["resp_000001"]
    assert named("/v1/responses", input="x", conversation={"id": "conv_000001"}) == ["conv_000001"]
    assert named("/v1/messages", container="container_01", messages=[])[0] == "container_01"
    part = {"type": "input_file", "file_id": "file-000001"}
    assert named("/v1/responses", input=[{"role": "user", "content": [part]}]) == ["file-000001"]
    tools = [{"type": "file_search", "vector_store_ids": ["vs_000001"]}]
    assert named("/v1/responses", input="x", tools=tools) == ["vs_000001"]
    file = {"fileData": {"fileUri": "https://vendor.example/v1beta/files/abc-123"}}
    path = "/v1beta/models/m:generateContent"
    assert named(path, contents=[{"parts": [file]}]) == ["files/abc-123"]
    assert named(path, contents=[], cachedContent="cachedContents/1x") == ["cachedContents/1x"]


def test_what_is_no_id_is_none_and_a_body_with_very_many_is_not_searched_to_its_end():
    assert named("/v1/chat/completions", messages=[{"role": "user", "content": "file_id"}]) == []
    assert named("/v1/responses", input="x", previous_response_id=None) == []
    parts = [{"file_id": f"file-{i:06d}"} for i in range(10_000)]
    assert len(named("/v1/responses", input=parts)) == 64
