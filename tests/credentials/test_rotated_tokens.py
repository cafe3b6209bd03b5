"""Refresh tokens that were exchanged, kept over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotfish.credentials.rotated_tokens import RotatedTokens


async def test_what_was_kept_is_found_for_the_same_login_only(tmp_path: Path) -> None:
    await RotatedTokens(str(tmp_path), "p").keep("hush-old", "hush-new")
    again = RotatedTokens(str(tmp_path), "p")
    assert again.find("hush-old") == "hush-new"
    assert again.find("hush-other-login") == ""
    assert RotatedTokens(str(tmp_path), "q").find("hush-old") == ""


async def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    await RotatedTokens("", "p").keep("hush-old", "hush-new")
    assert RotatedTokens("", "p").find("hush-old") == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"instead_of": 1}'])
async def test_a_damaged_file_is_as_none(tmp_path: Path, content: bytes) -> None:
    tokens = RotatedTokens(str(tmp_path), "p")
    await tokens.keep("hush-old", "hush-new")
    (file,) = (tmp_path / "oauth").iterdir()
    file.write_bytes(content)
    assert tokens.find("hush-old") == ""


async def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "oauth").write_text("a file")
    await RotatedTokens(str(tmp_path), "p").keep("hush-old", "hush-new")
    assert RotatedTokens(str(tmp_path), "p").find("hush-old") == ""
