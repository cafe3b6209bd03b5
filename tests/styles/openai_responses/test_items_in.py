"""Reading Responses items."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    Audio,
    Document,
    Image,
    Opaque,
    Refusal,
    Signature,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilotfish.errors import ClientError
from pilotfish.styles._fields import Fields, Losses
from pilotfish.styles._signatures import with_signatures_placed
from pilotfish.styles.openai_responses.items_in import read_item
from pilotfish.styles.openai_responses.reply import reasoning_item


def read(item, names=None):
    return read_item(Fields(item), Losses(), {} if names is None else names)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "role: expected a string, found nothing"),
        ({"role": "robot"}, 'role: expected user, assistant, system or developer, found "robot"'),
        ({"type": "function_call"}, "id: expected a string, found nothing"),
        ({"type": "function_call", "call_id": "c"}, "name: expected a string, found nothing"),
        ({"type": "function_call_output"}, "call_id: expected a string, found nothing"),
        (
            {"role": "user", "content": [{"type": "input_text"}]},
            "content[0].text: expected a string, found nothing",
        ),
        (
            {"role": "user", "content": [{"type": "input_image"}]},
            "content[0].image_url: expected a string, found nothing",
        ),
        ({"role": "user", "content": 7}, "content: expected a list, found 7"),
    ],
)
def test_a_wrong_item_is_told_where_it_is_wrong(item, message):
    with pytest.raises(ClientError) as caught:
        read(item)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ({"type": "output_text", "text": "a"}, Text("a")),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        ({"type": "reasoning_text", "text": "hm"}, Thinking(text="hm")),
        (
            {"type": "input_image", "file_id": "f", "detail": "low"},
            Image(file_id="f", origin="openai_responses", detail="low"),
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,AA"},
            Image(media_type="image/png", data="AA"),
        ),
        ({"type": "input_file", "file_id": "f"}, Document(file_id="f", origin="openai_responses")),
        ({"type": "input_file", "file_url": "https://x"}, Document(url="https://x")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "AA"},
            Document(media_type="application/pdf", data="AA", name="a.pdf"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
            Audio(media_type="audio/mpeg", data="AA"),
        ),
    ],
)
def test_content_is_read(part, found):
    assert read({"role": "user", "content": [part]}) == ("user", (found,))


def test_calls_and_their_results():
    names: dict[str, str] = {}
    assert read(
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, names
    ) == (
        "assistant",
        (ToolCall(id="c", name="f", arguments="{}"),),
    )
    assert read(
        {"type": "custom_tool_call", "call_id": "d", "name": "sh", "input": "ls"}, names
    ) == (
        "assistant",
        (ToolCall(id="d", name="sh", arguments="ls", kind="custom"),),
    )
    assert read({"type": "function_call_output", "call_id": "c", "output": "r"}, names) == (
        "user",
        (ToolResult(call_id="c", name="f", parts=(Text("r"),)),),
    )
    assert read(
        {
            "type": "custom_tool_call_output",
            "call_id": "d",
            "output": [{"type": "input_text", "text": "r"}],
        },
        names,
    ) == (
        "user",
        (ToolResult(call_id="d", name="sh", parts=(Text("r"),), kind="custom"),),
    )


def test_what_only_openai_knows_is_kept_or_named():
    call = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    assert read(call) == ("assistant", (Opaque("openai_responses", call),))
    losses = Losses()
    assert read_item(Fields({"type": "item_reference", "id": "x"}), losses, {}) == ("user", ())
    assert read_item(
        Fields({"role": "user", "content": [{"type": "input_video"}]}), losses, {}
    ) == ("user", ())
    assert losses.names() == ("input.item_reference", "input.input_video")


@pytest.mark.parametrize(
    "thinking",
    [
        Thinking(
            text="hm", summary=True, signature=Signature("openai_responses", "E", "rs_1"), id="rs_1"
        ),
        Thinking(text="hm", signature=Signature("anthropic", "S"), id="rs_x"),
        Thinking(signature=Signature("anthropic", "D"), redacted=True, id="rs_x"),
        Thinking(text="hm", summary=True, id="rs_x"),
    ],
)
def test_reasoning_comes_back_from_a_client_as_it_went(thinking):
    _, parts = read(reasoning_item("rs_x", thinking))
    assert parts == (thinking,)


def test_open_models_give_the_reasoning_itself():
    item = {
        "type": "reasoning",
        "id": "r",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }
    assert read(item)[1] == (Thinking(text="hm", id="r"),)


def test_geminis_signature_comes_back_on_the_part_after_it():
    sealed = Thinking(signature=Signature("google", "G"))
    assert with_signatures_placed((sealed, ToolCall(id="c", name="f"), Text("a"))) == (
        ToolCall(id="c", name="f", signature=Signature("google", "G")),
        Text("a"),
    )
