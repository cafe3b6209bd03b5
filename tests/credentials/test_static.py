"""API keys as headers."""

from __future__ import annotations

import pytest

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.provider import Auth
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials.keys import CredentialError
from pilotfish.credentials.static import StaticKey, header_of


async def test_a_missing_key_is_an_authentication_failure_that_names_its_place(context):
    key = StaticKey(SecretRef("env", "OPENAI_API_KEY"), Auth(), context)
    assert key.headers(None) is None
    with pytest.raises(
        CredentialError, match="environment variable OPENAI_API_KEY is missing or empty"
    ) as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED


@pytest.mark.parametrize("value", ["sk-hush\r\nx-evil: 1", "sk-hush-\u00e9", "sk-hush-\x00"])
async def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(context, value):
    context.environ["KEY"] = value
    key = StaticKey(SecretRef("env", "KEY"), Auth(), context)
    assert key.headers(None) is None
    with pytest.raises(CredentialError) as e:
        await key.fetch()
    assert "sk-" not in str(e.value)


def test_the_vendors_header_carries_the_key(context):
    context.environ["KEY"] = "hush-k"
    ref = SecretRef("env", "KEY")
    assert StaticKey(ref, Auth(), context).headers(None) == ((b"authorization", b"Bearer hush-k"),)
    assert StaticKey(ref, Auth("x-api-key", ""), context).headers(None) == (
        (b"x-api-key", b"hush-k"),
    )
    assert StaticKey(ref, Auth(), context, ((b"x", b"y"),)).headers(None) == (
        (b"authorization", b"Bearer hush-k"),
        (b"x", b"y"),
    )


def test_the_hot_path_answers_with_the_same_object(context):
    context.environ["KEY"] = "hush-k"
    key = StaticKey(SecretRef("env", "KEY"), Auth(), context)
    assert key.headers(None) is key.headers(None)


async def test_the_request_after_a_rotation_uses_the_new_key(context, tmp_path):
    file = tmp_path / "key"
    file.write_text("hush-old")
    key = StaticKey(SecretRef("file", str(file)), Auth(), context)
    old = key.headers(None)
    file.write_text("hush-new")
    assert key.headers(None) == ((b"authorization", b"Bearer hush-new"),)
    await key.fetch()
    assert key.refused(old)
    assert not key.refused(key.headers(None))


def test_a_refused_key_that_did_not_change_is_not_tried_again(context):
    context.environ["KEY"] = "hush-k"
    key = StaticKey(SecretRef("env", "KEY"), Auth(), context)
    sent = key.headers(None)
    assert not key.refused(sent)


def test_a_key_does_not_show_itself(context):
    context.environ["KEY"] = "hush"
    key = StaticKey(SecretRef("env", "KEY"), Auth(), context)
    assert key.headers(None) is not None
    assert repr(key) == "<StaticKey environment variable KEY>"


def test_a_header_is_made_of_prefix_and_key():
    assert header_of(Auth("api-key", ""), "hush-k", "label") == ((b"api-key", b"hush-k"),)


async def test_a_key_that_was_refused_or_missing_is_known_to_be_replaced(context, tmp_path):
    file = tmp_path / "key"
    key = StaticKey(SecretRef("file", str(file)), Auth(), context)
    assert not key.replaced(), "nothing was wrong yet"
    with pytest.raises(CredentialError):
        await key.fetch()
    assert not key.replaced()
    file.write_text("hush-first")
    assert key.replaced()
    assert not key.refused(key.headers(None))
    assert not key.replaced()
    file.write_text("hush-second")
    assert key.replaced()
