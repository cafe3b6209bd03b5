"""The request of a connection test that asks a model for one token, as a client's would be put to
this provider.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from pilotfish import styles
from pilotfish.core.exchange.calls import call_body
from pilotfish.core.exchange.endpoints import find
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.request_url import chat_ops, fixed_headers, target_of
from pilotfish.core.model.price_list import PriceList
from pilotfish.core.model.service import Provider
from pilotfish.core.rules.compile.services import make_service
from pilotfish.credentials import Key
from pilotfish.http1.exchange import Header

CHAT_PATH = "/v1/chat/completions"
WORD = "Hi"


class ChatCall(NamedTuple):
    """`headers` are those without the credential's."""

    url: str
    headers: tuple[Header, ...]
    body: bytes


def chat_call(provider: Provider, key: Key, model: str) -> ChatCall | None:
    """None where the provider has no chat for this model. Raises ClientError where a chat cannot be
    put to it.
    """
    ops = chat_ops(provider, model, key.endpoints(model))
    endpoint = find(CHAT_PATH)
    if not ops or endpoint is None:
        return None
    service = make_service(provider, model, rule="", prices=PriceList())
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": WORD}],
        service.quirks.max_tokens_field or "max_completion_tokens": 1,
    }
    inbound = Inbound(endpoint, CHAT_PATH, "", [], msgspec.json.encode(asked), "", "")
    call = call_body(inbound, service, ops[0], styles.get)
    base = urlsplit(key.base() or provider.base)
    target = target_of(provider, ops[0], model)
    headers = (
        *fixed_headers(provider),
        *((name.encode(), value.encode()) for name, value in call.headers),
        (b"content-type", call.content_type),
    )
    return ChatCall(f"{base.scheme}://{base.netloc}{target}", headers, b"".join(call.parts))
