"""What is at work in a running sidecar, and what it does not load while nobody asks for it. All of
it is paid for in every Pod: `bench/idle.py` says how much, this keeps it so.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ssl import Purpose, create_default_context

import pytest

from kube.fake_api import fake_api
from pilotfish.injector.pki import new_authority, new_leaf

SOURCE = Path(__file__).parents[2] / "src"
RULES = """
providers:
  local: {kind: openai, api_base: "http://127.0.0.1:1/v1", no_key_required: true}
rules:
  - {name: chat, request_model: "gpt-4*", services: [{provider: local, model: m}]}
"""
# Each with what is in it, and all below it. Who needs one imports it where it is needed, or
# explains in a commit why all pay.
LEFT_OUT = {
    "kubernetes", "requests", "urllib3", "opentelemetry", "redis", "cryptography", "jsonpatch",
    "botocore", "boto3", "azure", "google", "msal",
    "re2", "difflib", "multiprocessing", "sqlite3", "xml",
    "pydantic.v1", "pydantic.mypy", "pydantic.networks",
    "pilotfish.simulated", "pilotfish.demo.scene", "pilotfish.injector", "pilotfish.shared.state_file", "pilotfish.shared.redis_limits", "pilotfish.telemetry.traces",
    "pilotfish.core.rules.importing", "pilotfish.core.rules.json_schema", "pilotfish.injector.patch",
    "pilotfish.credentials.aws", "pilotfish.credentials.entra", "pilotfish.credentials.google", "pilotfish.credentials.oauth",
    "pilotfish.providers.azure", "pilotfish.providers.bedrock", "pilotfish.providers.vertex",
    "pilotfish.styles.anthropic", "pilotfish.styles.google", "pilotfish.styles.openai.request_out",
    "pilotfish.tactics.hybrid", "pilotfish.tactics.cost_based",
}  # fmt: skip
# What the proxy is built on, at work in every sidecar; where rules come from ConfigMaps, the
# official Kubernetes client is too.
AT_WORK = {"aiohttp", "prometheus_client", "structlog", "orjson", "pydantic_settings"}
# Imported with the rules, since the first request must not wait for it.
AT_HAND = {
    "pilotfish.providers.openai",
    "pilotfish.styles.openai",
    "pilotfish.tactics.adaptive",
    "httptools",
    "uvloop",
}
TELLING = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); "
RUN = "from pilotfish.cli import main; sys.exit(main())"
IN_A_POD = """
from pathlib import Path
from pilotfish.kube import configuration
configuration.TOKEN_DIR = Path(sys.argv.pop(1))
"""


async def modules_of(program, *arguments, **environment):
    """What a proxy has loaded that was ready and then ended, without a request."""
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [
        sys.executable,
        "-c",
        program,
        *arguments,
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]
    child = await asyncio.create_subprocess_exec(
        *command,
        env={**base, "PYTHONPATH": str(SOURCE), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = b""
    begun = {b'"rules_applied"', b'"listening"'}
    while any(mark not in said for mark in begun) and (line := await child.stderr.readline()):
        said += line
    if child.returncode is None:
        child.terminate()
    out, rest = await child.communicate()
    assert child.returncode == 0, (said + rest).decode()
    return set(out.decode().split())


def heavy(loaded):
    return sorted(
        name
        for name in loaded
        if any(name == part or name.startswith(f"{part}.") for part in LEFT_OUT)
    )


async def test_with_a_rules_file_it_loads_what_these_rules_need(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    loaded = await modules_of(TELLING + RUN, "proxy", "--config", str(tmp_path / "rules.yaml"))
    assert heavy(loaded) == []
    assert loaded >= AT_WORK | AT_HAND
    assert not [name for name in loaded if name.startswith(("kubernetes", "pilotfish.kube"))]


async def test_in_a_pod_the_official_client_watches_and_brings_no_more_than_it_must(tmp_path):
    authority = new_authority(datetime.now(UTC), timedelta(hours=1))
    leaf = new_leaf(authority, ["127.0.0.1"], datetime.now(UTC), timedelta(hours=1))
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "token").write_text("a-token")
    (tmp_path / "namespace").write_text("shop")
    context = create_default_context(Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "leaf.pem")
    async with fake_api(context) as api:
        api.put("/api/v1/namespaces/shop/configmaps", "rules", data={"rules.yaml": RULES})
        environment = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": api.base.rpartition(":")[2],
            "PILOTFISH_CONFIGMAPS": "rules",
        }
        loaded = await modules_of(TELLING + IN_A_POD + RUN, str(tmp_path), "proxy", **environment)
    brought = {name.partition(".")[0] for name in heavy(loaded)}
    # Beside the client itself what its synchronous half imports, which comes with it. Not
    # google-auth, nor the cryptography that this takes in; nor one model.
    assert brought - {"google"} == {"kubernetes", "requests", "urllib3", "multiprocessing"}
    assert not [name for name in loaded if name.startswith(("google.", "kubernetes.client.api."))]
    assert loaded >= AT_WORK | AT_HAND | {"kubernetes", "pilotfish.kube.client"}


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        (["version"], ("pydantic", "aiohttp", "yaml", "asyncio")),
        (["explain", "--help"], ("pydantic", "aiohttp", "yaml")),
        (["top", "--help"], ("pydantic", "aiohttp", "yaml")),
        (["check", "--help"], ("aiohttp", "uvloop", "kubernetes")),
        (["--help"], ("aiohttp", "uvloop", "kubernetes", "re2")),
    ],
)
async def test_a_command_loads_what_it_needs(command, left_out):
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TELLING + RUN, *command),
        env={"PYTHONPATH": str(SOURCE)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    loaded = set(out.decode().splitlines()[-1].split())
    assert "pilotfish.cli" in loaded
    assert [name for name in left_out if name in loaded] == []
