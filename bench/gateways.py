"""What is measured: a direct connection, nginx, Pilotfish; and any other that a command line
describes. Each on a port, before a vendor.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1] / "src"

RULES = """\
providers:
  bench: {{kind: openai, api_base: "http://127.0.0.1:{upstream}/v1", no_key_required: true}}
rules:
  - name: bench
    request_model: bench
    services: [{{provider: bench, model: bench}}]
"""

# One worker in one process, kept connections, chunks passed on as they come: what one would set for
# this work.
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 64m; client_body_buffer_size 1m; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s;
  upstream vendor {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
"""


class Started(NamedTuple):
    """A command to run, its environment beyond PATH, and the port where it listens."""

    command: list[str]
    environment: dict[str, str]
    port: int


Make = Callable[[int, Path], Started]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pilotfish(upstream: int, folder: Path) -> Started:
    port = free_port()
    rules = folder / "rules.yaml"
    rules.write_text(RULES.format(upstream=upstream))
    flags = [
        "--listen",
        f"127.0.0.1:{port}",
        "--admin-listen",
        "127.0.0.1:0",
        "--config",
        str(rules),
        "--log-level",
        "error",
    ]
    # The access log is on, as it is by default; it goes nowhere, as a terminal would be measured
    # with it.
    return Started(
        [sys.executable, "-m", "pilotfish", "proxy", *flags], {"PYTHONPATH": str(SOURCE)}, port
    )


def nginx(upstream: int, folder: Path) -> Started:
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(upstream=upstream, port=port, folder=folder))
    return Started(
        [
            "nginx",
            "-e",
            str(folder / "error.log"),
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
        ],
        {},
        port,
    )


def described(text: str) -> tuple[str, Make]:
    """`NAME=COMMAND with {port} and {upstream}`. Raises ValueError."""
    name, equals, command = text.partition("=")
    if not equals or "{port}" not in command or "{upstream}" not in command:
        raise ValueError(
            f"expected NAME=COMMAND with {{port}} and {{upstream}} in it, found {text!r}"
        )

    def make(upstream: int, folder: Path) -> Started:
        port = free_port()
        return Started(
            shlex.split(command.format(port=port, upstream=upstream, folder=folder)),
            {"PYTHONPATH": str(SOURCE)},
            port,
        )

    return name, make


def known() -> dict[str, Make | None]:
    """In the order of the table. None: the load goes to the vendor itself."""
    found: dict[str, Make | None] = {"direct": None}
    if shutil.which("nginx"):
        found["nginx"] = nginx
    found["pilotfish"] = pilotfish
    return found
