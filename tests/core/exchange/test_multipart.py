"""The field `model` of a form: found as every server finds it, or the form is refused."""

from __future__ import annotations

import pytest

from pilotfish.core.exchange.multipart import MAX_PARTS, model_of, with_model
from pilotfish.errors import ClientError

FORM = b"multipart/form-data; boundary=XX"


def form(*parts: tuple[str, bytes], boundary: str = "XX") -> bytes:
    """Each part: its Content-Disposition after `form-data`, and its bytes."""
    lines = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n"
        for head, data in parts
    )
    return lines + f"--{boundary}--\r\n".encode()


MODEL = ('name="model"', b"right")


def test_the_model_is_found_and_replaced_and_nothing_else() -> None:
    body = form(
        ('name="file"; filename="a.wav"', b"\x00\xff\r\n\r\nbytes"),
        ('name="model"', b"whisper-1"),
        ('name="prompt"', b"whisper-1"),
    )
    assert model_of(body, FORM) == "whisper-1"
    assert with_model(body, FORM, "large-v3") == body.replace(b"whisper-1", b"large-v3", 1)


@pytest.mark.parametrize(
    "parts",
    [
        [('name="file"; filename="model"', b"not-a-model"), MODEL],
        [
            (
                'name="file"; filename="x"',
                b'Content-Disposition: form-data; name="model"\r\n\r\nwrong',
            ),
            MODEL,
        ],
        [('name="prompt"', b'name="model"'), MODEL],
        [('name="xmodel"', b"wrong"), ("name=model", b"right")],
        [('name="model"\r\nContent-Type: text/plain', b"right")],
        [('filename="a\\"; name=\\"b"; name="file"', b"x"), MODEL],
        [("name=\"file\"; filename*=UTF-8''m%20x", b"x"), ('name="mo\\del"', b"right")],
        [("filename=x ; name=file ;", b"x"), MODEL],
    ],
)
def test_what_only_looks_like_the_model_is_not(parts: list[tuple[str, bytes]]) -> None:
    body = form(*parts)
    assert model_of(body, FORM) == "right"
    assert with_model(body, FORM, "new") == b"new".join(body.rsplit(b"right", 1))


@pytest.mark.parametrize("body", [b"--XX--", form(), form(('name="file"', b"x"))])
def test_a_form_without_a_model_is_passed_on_as_it_is(body: bytes) -> None:
    assert model_of(body, FORM) == ""
    assert with_model(body, FORM, "m") == body


def test_a_models_value_may_be_empty_and_is_then_filled_in() -> None:
    body = form(('name="model"', b""))
    assert model_of(body, FORM) == ""
    assert with_model(body, FORM, "m") == form(('name="model"', b"m"))


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b'multipart/form-data; boundary="a b:c"', "a b:c"),
        (b"multipart/form-data; charset=utf-8; BOUNDARY=aa; x=y", "aa"),
        (b"multipart/form-data;boundary=----WebKitFormBoundary0a", "----WebKitFormBoundary0a"),
    ],
)
def test_the_boundary_is_the_one_of_the_content_type(content_type: bytes, boundary: str) -> None:
    assert model_of(form(MODEL, boundary=boundary), content_type) == "right"


FIRST = b'--YY\r\nContent-Disposition: form-data; name="model"\r\n\r\ncheap\r\n--YY--\r\n'
REFUSED: dict[str, tuple[bytes, bytes]] = {
    "two models": (form(MODEL, ('name="model"', b"other")), FORM),
    "two models, one of them empty": (form(('name="model"', b""), MODEL), FORM),
    "two models, spelt differently": (form(MODEL, ('name="mod\\el"', b"other")), FORM),
    "a form within the preamble of another": (FIRST + form(MODEL), FORM),
    "another boundary than the content-type's": (FIRST, FORM),
    "no boundary": (form(MODEL), b"multipart/form-data"),
    "an empty boundary": (form(MODEL), b"multipart/form-data; boundary="),
    "two boundaries": (form(MODEL), FORM + b"; boundary=YY"),
    "a boundary of RFC 2231": (form(MODEL), FORM + b"; boundary*=YY"),
    "a boundary of 71 characters": (form(MODEL), b"multipart/form-data; boundary=" + b"a" * 71),
    "nothing": (b"", FORM),
    "no form": (b"nothing", FORM),
    "dashes": (b"--", FORM),
    "a boundary and no more": (b"--XX", FORM),
    "no end": (form(MODEL)[:-12], FORM),
    "a part without an end": (form(MODEL)[:40], FORM),
    "another part behind bare line feeds": (
        form(("name=file", b'x\n--XX\nContent-Disposition: form-data; name="model"\n\ny'), MODEL),
        FORM,
    ),
    "another form behind the end": (form(MODEL) + form(('name="model"', b"y")), FORM),
    "a boundary that goes on": (form(("name=file", b"x\r\n--XXX\r\n"), MODEL), FORM),
    "a part without a name": (form(("filename=x", b"y"), MODEL), FORM),
    "a part with two names": (form(("name=file; name=model", b"y")), FORM),
    "a name of RFC 2231": (form(("name=file; name*=UTF-8''mod%65l", b"y")), FORM),
    "spaces around the sign": (form(('name = "model"', b"y")), FORM),
    "a part without a disposition": (b"--XX\r\nA: b\r\n\r\ny\r\n--XX--", FORM),
    "two dispositions": (
        form(("name=file\r\nContent-Disposition: form-data; name=model", b"y")),
        FORM,
    ),
    "an attachment": (
        b"--XX\r\nContent-Disposition: attachment; name=model\r\n\r\ny\r\n--XX--",
        FORM,
    ),
    "a folded header": (form(("name=file;\r\n filename=x", b"y")), FORM),
    "a header that is none": (form(("name=file\r\nnothing", b"y")), FORM),
    "a part without a blank line": (
        b'--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\n--XX--\r\n',
        FORM,
    ),
    "a bare line feed in a header": (form(("name=file\nX: y", b"y")), FORM),
    "too many parts": (form(*[("name=a", b"")] * MAX_PARTS), FORM),
    "a head without an end": (form(("name=file; filename=" + "x" * 9000, b"y")), FORM),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_servers_read_in_different_ways_is_refused(what: str) -> None:
    body, content_type = REFUSED[what]
    with pytest.raises(ClientError) as refused:
        model_of(body, content_type)
    assert refused.value.status == 400
    assert "form" in refused.value.message
