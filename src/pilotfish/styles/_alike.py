"""Operations beside the chats that one vendor's service answers for another's client: embeddings
and counting tokens.

Named with an underscore since it is no style; imported when a request first needs it.
"""

from __future__ import annotations

from pilotfish.core.exchange.calls import CallBody
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.formats.neutral import Chat
from pilotfish.core.formats.style import Target
from pilotfish.core.model.service import Service
from pilotfish.errors import ClientError
from pilotfish.styles import get
from pilotfish.styles.google import count, embeddings

_STYLE = {
    "embeddings": "openai",
    "google_embeddings": "google",
    "google_batch_embeddings": "google",
    "count_tokens": "anthropic",
    "google_count_tokens": "google",
}


def alike_body(inbound: Inbound, service: Service, op: str) -> CallBody:
    """A request for `op` from a client's for its like. Raises ClientError."""
    style = _STYLE.get(op)
    if style is None:
        raise ClientError(
            400, "unsupported", f"{inbound.op} cannot be served by {service.id}, which offers {op}"
        )
    if op == "google_batch_embeddings":
        written = embeddings.google_from_openai(inbound.body, model=service.model)
    elif op == "embeddings":
        written = embeddings.openai_from_google_request(
            inbound.body, model=service.model, batch=inbound.op == "google_batch_embeddings"
        )
    else:
        target = Target(model=service.model, stream=False, quirks=service.quirks)
        if op == "google_count_tokens":
            written = count.write_google_request(counted(inbound), target)
        else:
            whole = get("anthropic").write_request(counted(inbound), target)
            return CallBody(
                op,
                style,
                (count.anthropic_request(whole.body),),
                False,
                whole.dropped,
                False,
                whole.headers,
            )
    return CallBody(op, style, (written.body,), False, written.dropped, False, written.headers)


def alike_reply(inbound: Inbound, op: str, body: bytes) -> bytes:
    """The client's answer from the service's. Raises ValueError."""
    if inbound.op == "embeddings":
        return embeddings.openai_from_google(
            body, model=inbound.model, encoding=embeddings.encoding_of(inbound.body)
        )
    if op == "embeddings":
        return embeddings.google_from_openai_reply(
            body, batch=inbound.op == "google_batch_embeddings"
        )
    return token_count(
        inbound.op,
        count.read_google_reply(body)
        if op == "google_count_tokens"
        else count.read_anthropic_reply(body),
    )


def token_count(op: str, tokens: int) -> bytes:
    """An answer to a request for a count, in the client's form."""
    return (
        count.write_google_reply(tokens)
        if op == "google_count_tokens"
        else count.write_anthropic_reply(tokens)
    )


def counted(inbound: Inbound) -> Chat:
    """What a client wants counted, in the neutral form. Raises ClientError."""
    if inbound.op == "google_count_tokens":
        return count.read_google_request(inbound.body, model=inbound.model)
    return get("anthropic").read_request(inbound.body, model=inbound.model, stream=False)
