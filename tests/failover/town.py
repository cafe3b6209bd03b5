"""The proxy with the rules file that most people write, between two vendors and clients of five
styles, in virtual time.

    async with town(tmp_path, first="503") as town:
        heard = await town.ask("openai", stream=True)

`first` and `second` are words of simulated models (`pilotfish.simulated`). For each pair of a
client's style and an upstream's there is a rule over two services, tier 0 and tier 1, and nothing
else: no timeout, no limit and no strategy is set anywhere.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from failover.clients import STYLES, Heard, ask, get_json
from pilotfish.app import App
from pilotfish.settings import Settings
from pilotfish.simulated import Profile, SimulatedVendor
from pilotfish.telemetry.access_log import AccessLog
from planted import PROVIDER_KEY
from virtual_time import passes

TTFT_S, GAP_S, CHUNKS = 0.3, 0.1, 12
USUAL_S = TTFT_S + (CHUNKS - 1) * GAP_S  # how long an answer takes with nothing wrong
WHOLE_TEXT = "the small pilot fish swims ahead of great sharks and shows them "


class Cell(NamedTuple):
    """A client's style, and whether the services speak it too."""

    style: str
    relation: str

    @property
    def name(self) -> str:
        return f"{self.style}-{self.relation}"

    @property
    def upstreams(self) -> tuple[str, str]:
        if self.relation == "same":
            return self.style, self.style
        at = STYLES.index(self.style)
        return STYLES[(at + 2) % 5], STYLES[(at + 3) % 5]


CELLS = [Cell(style, relation) for style in STYLES for relation in ("same", "other")]


class Town:
    """`first` and `second` are the vendors, `log` the access log."""

    def __init__(
        self, app: App, first: SimulatedVendor, second: SimulatedVendor, words: tuple[str, str]
    ) -> None:
        self.app, self.first, self.second = app, first, second
        self._words = words
        self.lines: list[bytes] = []

    async def ask(self, cell: Cell, *, stream: bool) -> Heard:
        return await ask(self.app.listen[1], cell.style, cell.name, stream=stream)

    def model(self, cell: Cell, role: str) -> str:
        """Every cell has models of its own, so that no cell's failures take another's service out."""
        words = self._words[role == "second"]
        return f"{role}-{cell.name.replace('_', '-')}-sim-{words}"

    def asked(self, cell: Cell, role: str) -> list[Any]:
        """The requests that a cell's service got."""
        vendor = self.first if role == "first" else self.second
        model = self.model(cell, role)
        return [r for r in vendor.requests if r.model == model and r.method == "POST"]

    def records(self, cell: Cell) -> list[dict[str, Any]]:
        self.app.log.flush()
        found = [orjson.loads(line) for line in b"".join(self.lines).splitlines()]
        return [r for r in found if r.get("rule") == cell.name]

    def attempts(self, cell: Cell, n: int = -1) -> str:
        """What became of a request's attempts: `first timeout, second served`."""
        return ", ".join(
            f"{a['service'].partition('/')[2].partition('-')[0]} {a['outcome']}"
            for a in self.records(cell)[n]["attempts"]
        )

    async def state(self, cell: Cell, role: str) -> dict[str, Any]:
        """Of a cell's service, as `/status` tells it."""
        status = await get_json(self.app.admin_listen[1], "/status")
        [found] = [s for s in status["services"] if s["model"] == self.model(cell, role)]
        return dict(found)

    async def settled(self) -> None:
        await passes(0.2)
        await self.app.engine.in_flight.idle.wait()


@asynccontextmanager
async def town(
    folder: Path, *, first: str = "plain", second: str = "plain", **profile: Any
) -> AsyncIterator[Town]:
    manner = Profile(**{"ttft_s": TTFT_S, "gap_s": GAP_S, "chunks": CHUNKS, **profile})
    words = tuple("" if w == "plain" else w for w in (first, second))
    async with (
        SimulatedVendor(name="first", key=PROVIDER_KEY, profile=manner) as one,
        SimulatedVendor(name="second", key=PROVIDER_KEY, profile=manner) as two,
    ):
        path = folder / "rules.yaml"
        settings = Settings(listen="127.0.0.1:0", admin_listen="127.0.0.1:0", config=(str(path),))
        made = Town.__new__(Town)
        Town.__init__(made, None, one, two, words)  # type: ignore[arg-type]
        path.write_text(orjson.dumps(rules(made)).decode())
        app = made.app = App(settings, access_log=AccessLog(made.lines.append))
        app.router._rng = random.Random(1)  # so that each run's figures are the same
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FAILOVER_KEY", PROVIDER_KEY)
            async with app:
                yield made


def rules(town: Town) -> dict[str, Any]:
    """Two services a rule, tier 0 and 1, and nothing else."""
    providers: dict[str, Any] = {}
    for role, vendor in (("first", town.first), ("second", town.second)):
        for style in STYLES:
            providers[f"{role}-{style.replace('_', '-')}"] = provider(style, vendor.base)
    made = []
    for cell in CELLS:
        one, two = (style.replace("_", "-") for style in cell.upstreams)
        services = [
            {"provider": f"first-{one}", "model": town.model(cell, "first")},
            {"provider": f"second-{two}", "model": town.model(cell, "second"), "tier": 1},
        ]
        made.append({"name": cell.name, "request_model": cell.name, "services": services})
    return {"providers": providers, "rules": made}


def provider(style: str, base: str) -> dict[str, Any]:
    key = {"env": "FAILOVER_KEY"}
    if style == "bedrock":
        options = {"region": "us-east-1", "access_key": key, "secret_key": key}
        return {"kind": "bedrock", "api_base": base, "options": options}
    if style == "anthropic":
        return {"kind": "anthropic", "api_base": base, "token": key}
    if style == "google":
        return {"kind": "google", "api_base": f"{base}/v1beta", "token": key}
    found: dict[str, Any] = {"kind": "openai", "api_base": f"{base}/v1", "token": key}
    if style == "openai_responses":
        found["options"] = {"api": "responses"}
    return found
