"""What the rules' own settings change in a request, as `/explain` shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from pilotfish.core.exchange.calls import call_body
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.request_url import native_op
from pilotfish.core.formats.style import Style
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.model.service import Service

_NOTHING = object()


def what_is_set(
    inbound: Inbound, service: Service, styles: Callable[[str], Style]
) -> dict[str, Any]:
    """The top-level fields in which the request to this service differs by its settings, with their
    values as they are sent; None for one that is left out. Raises ClientError as `call_body` does.
    """
    op = native_op(service.provider, service.model, inbound.op)
    if op not in CHAT_STYLES:
        return {}
    plain = replace(service, settings=None)
    bodies = [call_body(inbound, one, op, styles).parts for one in (plain, service)]
    before, after = (msgspec.json.decode(b"".join(parts)) for parts in bodies)
    names = dict.fromkeys((*after, *before))
    return {n: after.get(n) for n in names if before.get(n, _NOTHING) != after.get(n, _NOTHING)}
