"""Data URLs, media types, tool-call ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.style import Quirks
from pilotfish.styles._media import (
    data_url,
    file_name,
    made_up_id,
    proper_type,
    short_type,
    split_data_url,
    text_in,
    tool_id,
    type_by_name,
    type_by_url,
)


@pytest.mark.parametrize("url", ["https://example.com/a.png", "", "dat:image/png;base64,AA"])
def test_an_address_is_no_data(url):
    assert split_data_url(url) is None


@pytest.mark.parametrize(
    ("url", "media_type", "data"),
    [
        ("data:image/png;base64,AAAA", "image/png", "AAAA"),
        ("DATA:Image/PNG;Base64,AAAA", "image/png", "AAAA"),
        ("data:text/plain;charset=utf-8;base64,AAAA", "text/plain", "AAAA"),
        ("data:text/plain,hi%20there", "text/plain", "aGkgdGhlcmU="),
        ("data:image/png;base64", "image/png", ""),
        ("data:image/jpg;base64,AAAA", "image/jpeg", "AAAA"),
    ],
)
def test_data_urls_in_all_their_forms(url, media_type, data):
    assert split_data_url(url) == (media_type, data)


def test_data_urls_are_written_as_they_are_read():
    assert split_data_url(data_url("image/png", "AAAA")) == ("image/png", "AAAA")


@pytest.mark.parametrize(
    ("media_type", "short"),
    [("audio/mpeg", "mp3"), ("audio/x-wav", "wav"), ("image/jpeg", "jpeg"), ("video/mp4", "mp4")],
)
def test_short_names(media_type, short):
    assert short_type(media_type) == short


def test_a_files_name_tells_its_type_if_it_can():
    assert type_by_name("A.PDF") == "application/pdf"
    assert type_by_name("README") == ""


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("https://example.com/a/b.PDF?x=1#page", "application/pdf"),
        ("gs://bucket/film.mp4", "video/mp4"),
        ("https://example.com/a?file=b.png", ""),
        ("https://example.com/", ""),
        ("https://[", ""),
    ],
)
def test_the_path_of_an_address_tells_its_type_if_it_can(url, media_type):
    assert type_by_url(url) == media_type


def test_media_types_are_spelled_as_registered():
    assert proper_type(" Image/JPG ") == "image/jpeg"
    assert proper_type("application/pdf") == "application/pdf"


@pytest.mark.parametrize(
    ("name", "media_type", "named"),
    [
        ("", "application/pdf", "document.pdf"),
        ("report", "application/pdf", "report.pdf"),
        ("Q3.final", "application/pdf", "Q3.final.pdf"),
        ("report.pdf", "application/pdf", "report.pdf"),
        ("odd", "", "odd.bin"),
    ],
)
def test_a_file_is_named_with_an_extension(name, media_type, named):
    assert file_name(name, media_type) == named


def test_only_what_is_text_is_read_as_text():
    assert text_in("text/csv", "YSxi") == "a,b"
    assert text_in("text/plain", "//8=") is None
    assert text_in("application/pdf", "YSxi") is None


def test_ids_are_made_of_the_answer_and_the_place_in_it():
    made = {made_up_id("a", 0), made_up_id("a", 1), made_up_id("b", 0), made_up_id("a", 0)}
    assert len(made) == 3
    assert all(len(identity) == 29 and identity.isascii() for identity in made)


class TestToolIds:
    MISTRAL = Quirks(tool_id="mistral9")

    @given(st.text(max_size=80))
    def test_mistral_gets_nine_alphanumerics(self, given_id):
        made = tool_id(given_id, self.MISTRAL)
        assert len(made) == 9
        assert made.isascii()
        assert made.isalnum()

    def test_one_that_mistral_made_is_left_alone(self):
        assert tool_id("abcDEF123", self.MISTRAL) == "abcDEF123"

    @given(st.text(min_size=41, max_size=80))
    def test_a_long_one_is_cut_to_the_limit(self, given_id):
        assert len(tool_id(given_id, Quirks(tool_id_max=40))) == 40

    def test_two_long_ones_with_one_head_stay_two(self):
        head = "call_" + "x" * 60
        assert tool_id(head + "1", Quirks(tool_id_max=40)) != tool_id(
            head + "2", Quirks(tool_id_max=40)
        )

    @pytest.mark.parametrize("odd", ["", "call:1", "führe", "a b"])
    def test_plain_ones_hold_nothing_odd(self, odd):
        made = tool_id(odd, Quirks(), plain=True)
        assert made.startswith("toolu_")
        assert made[6:].isalnum()

    def test_a_call_and_its_result_get_the_same(self):
        assert tool_id("call:1", Quirks(), plain=True) == tool_id("call:1", Quirks(), plain=True)
