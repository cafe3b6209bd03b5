"""Whether a service can take what one request holds: what its style can carry, and who holds the
state that the request names.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotfish.core.exchange.calls import call_body
from pilotfish.core.exchange.inbound import Inbound
from pilotfish.core.exchange.losses import content_lost
from pilotfish.core.formats.style import Style
from pilotfish.core.model.provider import CHAT_STYLES
from pilotfish.core.model.service import Service
from pilotfish.core.routing.rule_state import op_for
from pilotfish.core.state.holders import Holder
from pilotfish.errors import ClientError

ELSEWHERE, CANNOT_CARRY = "its state is elsewhere", "cannot carry"


class Fitness:
    """Of one request. `unsupported`: the rule's word for what other styles cannot carry: `safe`,
    `reject` or `drop`. `holder`: who holds the state that the request names, None where it names
    none or nobody knows.
    """

    def __init__(
        self,
        inbound: Inbound,
        styles: Callable[[str], Style],
        unsupported: str,
        holder: Holder | None,
    ) -> None:
        self._inbound, self._styles = inbound, styles
        self._unsupported, self.holder = unsupported, holder

    def lacks(self, service: Service) -> str:
        """Why this service cannot take the request; empty if it can."""
        holder = self.holder
        if holder is not None and service.provider.name != holder.provider:
            return f"{ELSEWHERE}: provider {holder.provider!r} holds what the request names"
        lost = self._lost(service) if self._unsupported != "drop" else ()
        return f"{CANNOT_CARRY} {', '.join(lost)}" if lost else ""

    def _lost(self, service: Service) -> tuple[str, ...]:
        inbound = self._inbound
        op = op_for(service, inbound.op) or ""
        if op == inbound.op or op not in CHAT_STYLES or inbound.op not in CHAT_STYLES:
            return ()
        try:
            body = call_body(inbound, service, op, self._styles)
        except ClientError:
            return ()  # the attempt says what is wrong with it
        # Whoever is asked has it written already.
        inbound.written = (service, op, body)
        if self._unsupported == "reject":
            return body.dropped
        return content_lost(body.dropped, inbound.chat) if body.dropped else ()
