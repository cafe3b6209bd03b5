"""`kubectl pilotfish`: what the proxy in a Pod says, through a port-forward. kubectl finds the
program `kubectl-pilotfish` in PATH, and is itself what asks the cluster: contexts, plugins for
credentials and proxies are its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from pilotfish.cli import explain, reset, top
from pilotfish.cli._admin_port import asked
from pilotfish.errors import StartError

STATUS = "pilotfish.dev/status"  # written by the injector
CONTAINER = "pilotfish"
ADMIN_PORTS = ("admin", "pilotfish-admin")  # names of a container's port
FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


def main(argv: Sequence[str] | None = None) -> int:
    """0 done, 1 the answer is no, 2 wrong use, or nothing there."""
    args = parser().parse_args(argv)
    try:
        return _run(args)
    except StartError as e:
        print(f"kubectl pilotfish: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output is gone
        return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubectl pilotfish", description="What the proxy in a Pod says."
    )
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("target", metavar="POD", help="a Pod, or deployment/NAME and the like")
    common.add_argument("-n", "--namespace", metavar="NAMESPACE")
    common.add_argument("--context", metavar="CONTEXT", help="of the kubeconfig")
    common.add_argument("--kubeconfig", metavar="FILE")

    status = commands.add_parser("status", parents=[common], help="services and their health")
    status.add_argument("--format", choices=("text", "json"), default="text")
    watched = commands.add_parser("top", parents=[common], help="the same, again and again")
    watched.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    watched.add_argument("--unusual", action="store_true", help="only unusual decisions")
    watched.set_defaults(once=False)
    why = commands.add_parser("explain", parents=[common], help="who would serve a request")
    why.add_argument("--request", required=True, metavar="FILE", help="its body; - is stdin")
    why.add_argument("--path", default="/v1/chat/completions")
    why.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    why.add_argument("--format", choices=("text", "json"), default="text")
    back = commands.add_parser("reset", parents=[common], help="services back to serving")
    reset.add_options(back)
    return made


def _run(args: argparse.Namespace) -> int:
    kubectl = [os.environ.get("KUBECTL") or "kubectl"]
    for flag in ("namespace", "context", "kubeconfig"):
        if given := getattr(args, flag):
            kubectl.append(f"--{flag}={given}")
    body = explain.body_of(args.request) if args.command == "explain" else b""
    pod = _pod(kubectl, args.target)
    with _forwarded(kubectl, pod["metadata"]["name"], admin_port_of(pod)) as admin:
        args.admin = admin
        match args.command:
            case "explain":
                return _explain(args, body)
            case "reset":
                return reset.run(args)
            case "status" if args.format == "json":
                print(json.dumps(top.status_at(admin), indent=2))
                return 0
            case "status":
                args.once, args.interval, args.unusual = True, 1.0, False
        return top.run(args)


def _explain(args: argparse.Namespace, body: bytes) -> int:
    headers = dict(line.partition(": ")[::2] for line in args.header)
    path = f"/explain?{urlencode({'path': args.path})}"
    code, said = asked(args.admin, path, body, headers)
    if code != 200 or not isinstance(said, dict):
        why = said.get("why") if isinstance(said, dict) else None
        raise StartError(f"{args.request}: {why or f'the proxy answers with status {code}'}")
    print(json.dumps(said, indent=2) if args.format == "json" else _lines(said))
    return 0 if said["rule"] is not None else 1


def _lines(said: dict[str, Any]) -> str:
    return "\n".join(explain.lines_of(said))


# ---- the Pod


def _pod(kubectl: Sequence[str], target: str) -> dict[str, Any]:
    """The Pod of this name, or a running one with a proxy of a Deployment and the like."""
    kind, slash, _ = target.partition("/")
    found = _got(kubectl, target if slash else f"pod/{target}")
    if found.get("kind") == "Pod":
        return found
    labels = (found.get("spec", {}).get("selector") or {}).get("matchLabels")
    if not labels:
        raise StartError(f"{target}: a {kind} has no Pods to select; expected a Pod")
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = _got(kubectl, "pods", f"--selector={selector}").get("items", [])
    for pod in pods:
        if pod.get("status", {}).get("phase") == "Running" and _admin_port(pod):
            return dict(pod)
    raise StartError(f"{target}: none of its {len(pods)} Pods runs with a proxy in it")


def _got(kubectl: Sequence[str], *what: str) -> dict[str, Any]:
    try:
        asking = subprocess.run(
            [*kubectl, "get", *what, "--output=json"], capture_output=True, check=False
        )
    except OSError as e:
        raise StartError(f"{kubectl[0]} cannot be run: {e.strerror}") from None
    if asking.returncode:
        raise StartError(asking.stderr.decode(errors="replace").strip())
    return dict(json.loads(asking.stdout))


def admin_port_of(pod: Mapping[str, Any]) -> int:
    """Where the proxy's admin port is: as the injector wrote it down, or as a container of the
    gateway names it. Raises StartError where there is no proxy.
    """
    port = _admin_port(pod)
    if port is None:
        name = pod["metadata"]["name"]
        raise StartError(
            f"pod/{name} has no proxy in it; the injector's log has why a Pod got no sidecar"
        )
    return port


def _admin_port(pod: Mapping[str, Any]) -> int | None:
    written = (pod["metadata"].get("annotations") or {}).get(STATUS)
    if written:
        try:
            return int(json.loads(written)["admin_port"])
        except (ValueError, KeyError, TypeError):
            pass  # somebody edited it
    spec = pod["spec"]
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        if container["name"] not in (CONTAINER, "gateway"):
            continue
        for port in container.get("ports", ()):
            if port.get("name") in ADMIN_PORTS:
                return int(port["containerPort"])
    return None


@contextmanager
def _forwarded(kubectl: Sequence[str], pod: str, port: int) -> Iterator[str]:
    """The local address that leads to a Pod's port. Raises StartError with kubectl's words."""
    forward = subprocess.Popen(
        [*kubectl, "port-forward", "--address=127.0.0.1", f"pod/{pod}", f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert forward.stdout is not None
        for line in forward.stdout:
            if found := FORWARDING.search(line):
                break
        else:
            _, said = forward.communicate()
            raise StartError(f"pod/{pod}: {said.strip() or 'kubectl port-forward ended'}")
        yield f"127.0.0.1:{found[1]}"
    finally:
        forward.terminate()
        forward.communicate()
