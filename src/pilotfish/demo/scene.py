"""The demo's scene: four simulated vendors and the real proxy before them, in one process, with
rules in a file that may be edited.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pilotfish.app import App
from pilotfish.errors import StartError
from pilotfish.settings import read_settings
from pilotfish.simulated import Profile, RateLimit, SimulatedVendor
from pilotfish.telemetry.access_log import AccessLog

MODEL = "sim-large"
LIMIT = RateLimit(requests=3, window_s=20.0)
# A vendor's key. It is no secret, but vendors refuse others: the proxy must put the right one in
# place of the client's.
KEY = "demo-key-{}"


@dataclass(frozen=True, slots=True)
class Character:
    """A vendor of the demo: which kind of provider it plays, and its manner."""

    name: str
    kind: str
    base_path: str
    profile: Profile
    about: str


CHARACTERS = (
    Character(
        "fast",
        "openai",
        "/v1",
        Profile(ttft_s=0.04, gap_s=0.008, chunks=24),
        "OpenAI style, first token after 40 ms",
    ),
    Character(
        "slow",
        "anthropic",
        "",
        Profile(ttft_s=0.35, gap_s=0.02, chunks=24),
        "Anthropic style, first token after 350 ms",
    ),
    Character(
        "flaky",
        "google",
        "",
        Profile(ttft_s=0.06, gap_s=0.01, chunks=24, error_ratio=0.4, seed=7),
        "Gemini style, fails 4 times in 10",
    ),
    Character(
        "limited",
        "openai",
        "/v1",
        Profile(ttft_s=0.04, gap_s=0.008, chunks=24, rate_limit=LIMIT),
        f"OpenAI style, {LIMIT.requests} requests in {LIMIT.window_s:.0f} s, then 429",
    ),
)

# Model -> what its rule does; printed as a table, and checked against the rules below by a test.
MODELS = {
    "demo-chat": "fast and slow take turns (tactic round_robin)",
    "demo-failover": "flaky first; when it fails, fast takes over",
    "demo-limited": "limited first; with its limit used up, fast takes over until it may be asked",
    "demo-claude": "slow alone: an Anthropic service for clients of any style",
    "demo-race": "a virtual model: fast and slow are asked at once, the first to speak wins",
    f"slow/{MODEL}": "no rule: provider/model goes straight there",
}

RULES = f"""\
# Rules of the running demo. Edit them: a change is in force within a second,
# and one that is wrong changes nothing.
defaults:
  retries: {{max_retries: 0}}          # fail over at once instead of asking the same service again
  cooldown: {{base_delay_s: 5, multiplier: 2}}
providers:
%s
rules:
  - name: chat
    request_model: demo-chat
    lb_tactic: {{type: round_robin, params: {{request_threshold: 1}}}}
    services:
      - {{provider: fast, model: {MODEL}}}
      - {{provider: slow, model: {MODEL}}}
  - name: failover
    request_model: demo-failover
    services: [{{provider: flaky, model: {MODEL}}}]
    fallbacks: [fast/{MODEL}]
  - name: limited
    request_model: demo-limited
    services: [{{provider: limited, model: {MODEL}}}]
    fallbacks: [fast/{MODEL}]
  - name: claude
    request_model: demo-claude
    services: [{{provider: slow, model: {MODEL}}}]
virtual_models:
  demo-race:
    strategy: first_wins
    providers: [{{name: fast, model: {MODEL}}}, {{name: slow, model: {MODEL}}}]
"""


def rules_text(bases: dict[str, str], keys: Path) -> str:
    """The rules file for vendors at these base URLs, whose keys lie in files of this folder."""
    providers = (
        f"  {c.name}:\n"
        f"    kind: {c.kind}\n"
        f"    api_base: {bases[c.name]}{c.base_path}\n"
        f"    token: {{file: {keys / c.name}}}"
        for c in CHARACTERS
    )
    return RULES % "\n".join(providers)


class Demo:
    """`async with Demo(...) as demo`: everything runs. `write` gets the access log's lines. Raises
    StartError for a port that is taken.
    """

    def __init__(self, listen: str, admin_listen: str, write: Callable[[bytes], None]) -> None:
        self._listen, self._admin_listen, self._write = listen, admin_listen, write
        self._stack = AsyncExitStack()
        self.vendors: dict[str, SimulatedVendor] = {}

    async def __aenter__(self) -> Demo:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="pilotfish-demo-")))
        keys = folder / "keys"
        keys.mkdir()
        for character in CHARACTERS:
            key = KEY.format(character.name)
            (keys / character.name).write_text(key)
            vendor = SimulatedVendor(key=key, profile=character.profile, name=character.name)
            self.vendors[character.name] = await self._stack.enter_async_context(vendor)
        self.rules = folder / "rules.yaml"
        self.rules.write_text(rules_text({name: v.base for name, v in self.vendors.items()}, keys))
        # What the environment says of a real proxy does not concern the demo.
        settings = read_settings(
            {
                "listen": self._listen,
                "admin_listen": self._admin_listen,
                "config": str(self.rules),
                "configmaps": "",
                "state_dir": "",
                "redis_url": "",
                "otlp_endpoint": "",
                "drain_seconds": 5.0,
            }
        )
        self.app = App(settings, access_log=AccessLog(self._write))
        self._stack.push_async_callback(self.app.stop)
        try:
            await self.app.start()
        except StartError as e:
            raise StartError(
                f"{e}; choose another with --listen or --admin-listen (port 0: any free one)"
            ) from None
        if not self.app.engine.ready:
            raise StartError("; ".join(map(repr, self.app.store.problems)))
