"""Sources and places: Google counts bytes, everybody else characters."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import Citation
from pilotfish.styles._fields import ReplyFields
from pilotfish.styles.google.citations import Offsets, read_citations, write_citations

CHUNK = {"web": {"uri": "https://e.com", "title": "E"}}


def test_places_are_counted_in_characters():
    text = "Grüße aus 東京."
    segment = {"startIndex": len("Grüße aus ".encode()), "endIndex": len(text.encode())}
    metadata = {
        "groundingChunks": [CHUNK],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    ((place, found),) = read_citations(
        ReplyFields({"groundingMetadata": metadata}), {2: Offsets(text)}
    )
    assert place == 2
    assert (found.url, found.title, text[found.start : found.end]) == (
        "https://e.com",
        "E",
        "東京.",
    )
    assert write_citations([(2, text, (found,))])["groundingSupports"][0]["segment"] == segment | {
        "partIndex": 2,
        "text": "東京.",
    }


def test_a_source_without_a_place_is_still_a_source():
    ((_, found),) = read_citations(
        ReplyFields({"groundingMetadata": {"groundingChunks": [CHUNK]}}), {0: Offsets("a")}
    )
    assert (found.url, found.start, found.end) == ("https://e.com", None, None)
    assert write_citations([(0, "a", (found,))]) == {
        "groundingChunks": [CHUNK],
        "groundingSupports": [],
    }


@pytest.mark.parametrize("key", ["citations", "citationSources"])
def test_recited_sources_are_citations_under_either_name(key):
    metadata = {key: [{"startIndex": 1, "endIndex": 2, "uri": "u", "license": "MIT"}]}
    assert read_citations(ReplyFields({"citationMetadata": metadata}), {0: Offsets("abc")}) == [
        (0, Citation(url="u", start=1, end=2, origin="google"))
    ]


@pytest.mark.parametrize(
    "metadata",
    [
        {"groundingSupports": [{"groundingChunkIndices": [0, -1, "x"]}]},
        {"groundingChunks": [7], "groundingSupports": [{"groundingChunkIndices": [0]}]},
        {"groundingChunks": [], "webSearchQueries": ["a"]},
    ],
)
def test_numbers_that_point_nowhere_are_passed_over(metadata):
    assert read_citations(ReplyFields({"groundingMetadata": metadata}), {0: Offsets("a")}) == []


def test_each_source_is_named_once_and_another_vendors_gets_the_whole_text():
    citations = (Citation(url="u", title="t"), Citation(url="u", title="t", start=0, end=1))
    found = write_citations([(0, "ab", citations)])
    assert found["groundingChunks"] == [{"web": {"uri": "u", "title": "t"}}]
    assert [support["segment"]["endIndex"] for support in found["groundingSupports"]] == [2, 1]


def test_no_citations_are_no_metadata():
    assert write_citations([(0, "a", ())]) == {}
