"""A vendor that answers with the recorded answers of tests/fixtures/recorded, whichever a request's
model names, and the proxy's rules with a provider for each of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from aiohttp import web

from harness import Proxy, proxied
from pairs_wire import stream_of
from pilotfish import styles
from planted import PROVIDER_KEY

FOLDER = Path(__file__).parents[1] / "fixtures" / "recorded"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/expected.json"))
STYLES_OF_PATHS = {
    "/chat/completions": "openai",
    "/responses": "openai_responses",
    "/messages": "anthropic",
}
SPECS = {
    "anthropic": "api_base: {base}",
    "bedrock": (
        "api_base: {base}, options: {{region: us-east-1, access_key: {{env: SDK_KEY}}, "
        "secret_key: {{env: SDK_KEY}}}}"
    ),
    "google": "api_base: {base}/v1beta",
}
WITH_KEY = ", token: {env: SDK_KEY}"
# Vendors with Responses beside Chat Completions, which the recorded answers are in.
STANDS_FOR = {"xai": "openai_compatible"}


def expectation(case: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((case / "expected.json").read_bytes())
    return found


def model_of(case: Path) -> str:
    """The model that a client asks for: the case's provider, its model, and its name. A Claude on
    Bedrock would be asked in Anthropic's own form by clients of that style, so there the name says
    nothing.
    """
    expected = expectation(case)
    style, model = case.parent.name, expected["model"]
    if style == "bedrock":
        model = "amazon.nova-pro"
    provider = "responses" if style == "openai_responses" else expected["provider"]
    return f"{provider}/{model}--{case.name}"


class ReplayingVendor:
    """On 127.0.0.1, as an async context manager. `asked` holds the bodies of the requests for each
    case, by `style/name`."""

    def __init__(self) -> None:
        self.asked: dict[str, list[dict[str, Any]]] = defaultdict(list)
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app)
        self.base = ""

    async def __aenter__(self) -> ReplayingVendor:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        path = request.path
        style = next((s for end, s in STYLES_OF_PATHS.items() if path.endswith(end)), "")
        streamed = bool(body.get("stream"))
        if style:
            model = body["model"]
        elif path.endswith(("/converse", "/converse-stream")):
            style, streamed = "bedrock", path.endswith("-stream")
            model = path.split("/")[-2]
        else:
            style, streamed = "google", "stream" in path.rpartition(":")[2]
            model = path.rpartition(":")[0]
        case = FOLDER / style / model.rpartition("--")[2]
        self.asked[f"{style}/{case.name}"].append(body)
        if streamed:
            kind = styles.get(style).stream_content_type
            return web.Response(body=stream_of(case), headers={"content-type": kind})
        return web.Response(
            body=(case / "upstream.json").read_bytes(), content_type="application/json"
        )

    def proxy(self, folder: Path) -> AbstractAsyncContextManager[Proxy]:
        """A proxy in front of it; the environment has to have SDK_KEY."""
        kinds = dict.fromkeys(
            expectation(case)["provider"]
            for case in CASES
            if case.parent.name != "openai_responses"
        )
        lines = [
            f"  {kind}: {{kind: {STANDS_FOR.get(kind, kind)}, "
            + SPECS.get(kind, "api_base: {base}/v1").format(base=self.base)
            + ("" if kind == "bedrock" else WITH_KEY)
            + "}"
            for kind in kinds
        ]
        lines.append(
            f"  responses: {{kind: openai, api_base: {self.base}/v1, "
            f"options: {{api: responses}}{WITH_KEY}}}"
        )
        return proxied(folder, "\n".join(["providers:", *lines]))


def set_key(monkeypatch: Any) -> None:
    monkeypatch.setenv("SDK_KEY", PROVIDER_KEY)
