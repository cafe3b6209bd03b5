"""What does a proxy cost that does nothing? Memory while idle, and the time from its start to its
first answer.

With a rules file; watching a ConfigMap as a Pod does (a simulated API server, with TLS); the same
by a kubeconfig; and, to compare, interpreters that only import the same libraries.
Memory is the kernel's (smaps_rollup): resident, and private dirty, which is what one more Pod on a
node takes.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))
from gateways import free_port  # a script's own folder, which no installed package is in

SOURCE = Path(__file__).parent.parent / "src"
TICKS = os.sysconf("SC_CLK_TCK")
RULES = """
providers:
  up: {{kind: openai_compatible, api_base: "http://127.0.0.1:{port}/v1", no_key_required: true}}
  out: {{kind: anthropic, no_key_required: true}}
rules:
  - {{name: chat, request_model: "*", services: [{{provider: up, model: m}}, {{provider: out, model: n, tier: 1}}]}}
"""
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
REPLY = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}  # fmt: skip
LIBRARIES = (
    "uvloop", "httptools", "orjson", "msgspec", "yaml", "structlog", "pydantic_settings",
    "aiohttp.web", "prometheus_client",
)  # fmt: skip
KUBERNETES = "kubernetes.aio.client.api_client"
# A Pod's token is in a place that only a Pod has.
AS_A_POD = """
import sys
from pathlib import Path
from pilotfish.kube import configuration
configuration.TOKEN_DIR = Path(sys.argv.pop(1))
from pilotfish.cli import main
sys.exit(main())
"""


class Handler(BaseHTTPRequestHandler):
    """A vendor that has one answer, and an API server that has one ConfigMap and watches that never
    end.
    """

    protocol_version = "HTTP/1.1"
    rules = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(REPLY)

    def do_GET(self) -> None:
        if "watch=true" in self.path:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            threading.Event().wait(60)
            return
        item = {
            "metadata": {"name": "rules", "namespace": "bench", "resourceVersion": "1"},
            "data": {"rules.yaml": self.rules},
        }
        self._answer({"metadata": {"resourceVersion": "1"}, "items": [item]})

    def _answer(self, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> ssl.SSLContext:
    """Of the simulated API server; the authority goes to `ca.crt`, as in a Pod."""
    from pilotfish.injector.pki import new_authority, new_leaf

    now = datetime.now(UTC)
    authority = new_authority(now, timedelta(days=1))
    leaf = new_leaf(authority, ["127.0.0.1"], now, timedelta(hours=1))
    (folder / "ca.crt").write_bytes(authority.certificate)
    (folder / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "leaf.pem")
    return context


@dataclass
class Figures:
    rss: float
    dirty: float
    ready_ms: float
    answer_ms: float
    cpu_ms: float


def memory(pid: int) -> tuple[float, float]:
    """MiB: resident, private dirty."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key in ("Rss", "Private_Dirty"):
            found[key] = int(rest.split()[0]) / 1024
    return found["Rss"], found["Private_Dirty"]


def cpu_ms(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS * 1000


def answers(url: str, body: bytes | None) -> bool:
    request = urllib.request.Request(
        url, body, {"content-type": "application/json"} if body else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # nobody listens yet, or no rules are there yet
        return False


def started(
    command: list[str], environment: dict[str, str], path: str, body: bytes | None, settle_s: float
) -> tuple[float, Figures]:
    """Milliseconds until this path is answered, and then what the process has taken."""
    port, admin = free_port(), free_port()
    own = {"PILOTFISH_LISTEN": f"127.0.0.1:{port}", "PILOTFISH_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
    url = f"http://127.0.0.1:{admin if body is None else port}{path}"
    began = time.perf_counter()
    with subprocess.Popen(
        command, env={**environment, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            while not answers(url, body):
                if process.poll() is not None or time.perf_counter() - began > 30:
                    sys.exit(f"bench: {' '.join(command[:4])} does not answer")
                time.sleep(0.003)
            took = (time.perf_counter() - began) * 1000
            cpu = cpu_ms(process.pid)
            time.sleep(settle_s)
            rss, dirty = memory(process.pid)
            return took, Figures(rss, dirty, 0, 0, cpu)
        finally:
            process.terminate()


def proxy(command: list[str], environment: dict[str, str]) -> Figures:
    ready, figures = started(command, environment, "/readyz", None, 1.0)
    figures.ready_ms = ready
    figures.answer_ms = started(command, environment, "/v1/chat/completions", CHAT, 0.0)[0]
    return figures


def interpreter(modules: tuple[str, ...], environment: dict[str, str]) -> Figures:
    text = f"import asyncio, ssl, json, logging{''.join(f', {m}' for m in modules)}; print(flush=True); import time; time.sleep(60)"
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            took = (time.perf_counter() - began) * 1000
            return Figures(*memory(process.pid), took, 0, cpu_ms(process.pid))
        finally:
            process.terminate()


def subjects(folder: Path, vendor: int, api: int) -> dict[str, Callable[[], Figures]]:
    rules = RULES.format(port=vendor)
    Handler.rules = rules
    (folder / "rules.yaml").write_text(rules)
    (folder / "token").write_text("a-token-for-the-bench")
    (folder / "namespace").write_text("bench")
    cluster = {
        "server": f"https://127.0.0.1:{api}",
        "certificate-authority": str(folder / "ca.crt"),
    }
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "a-token-for-the-bench"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
    base = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PILOTFISH_", "KUBE", "PYTHONDONTWRITE"))
    }
    base["PYTHONPATH"] = str(SOURCE)
    pod = {
        **base,
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api),
        "PILOTFISH_CONFIGMAPS": "rules",
    }
    outside = {
        **base,
        "KUBECONFIG": str(folder / "kubeconfig"),
        "PILOTFISH_CONFIGMAPS": "bench/rules",
    }
    module = [sys.executable, "-m", "pilotfish", "proxy"]
    return {
        "interpreter, asyncio": lambda: interpreter((), base),
        "interpreter, the proxy's libraries": lambda: interpreter(LIBRARIES, base),
        "interpreter, these and the Kubernetes client": lambda: interpreter(
            (*LIBRARIES, KUBERNETES), base
        ),
        "rules file": lambda: proxy([*module, "--config", str(folder / "rules.yaml")], base),
        "ConfigMaps, in a Pod": lambda: proxy(
            [sys.executable, "-c", AS_A_POD, str(folder), "proxy"], pod
        ),
        "ConfigMaps, by a kubeconfig": lambda: proxy(module, outside),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help="each figure is the median of so many (default: %(default)s)",
    )
    parser.add_argument("--only", default="", help="rows whose name holds this")
    args = parser.parse_args()
    with (
        TemporaryDirectory(prefix="pilotfish-bench-") as name,
        serving() as vendor,
        serving(certificate(Path(name))) as api,
    ):
        chosen = {k: v for k, v in subjects(Path(name), vendor, api).items() if args.only in k}
        for measure in chosen.values():
            measure()  # compiles what is not compiled yet, and brings it into the page cache
        print(
            "| | RSS, MiB | private dirty, MiB | ready, ms | first answer, ms | CPU until ready, ms |\n| --- | --- | --- | --- | --- | --- |"
        )
        for row, measure in chosen.items():
            rounds = [measure() for _ in range(args.rounds)]
            children = [
                statistics.median(getattr(r, field) for r in rounds)
                for field in ("rss", "dirty", "ready_ms", "answer_ms", "cpu_ms")
            ]
            forms = ("{:.1f}", "{:.1f}", "{:.0f}", "{:.0f}", "{:.0f}")
            print(
                f"| {row} | {' | '.join(f.format(c) if c else '-' for f, c in zip(forms, children, strict=True))} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
