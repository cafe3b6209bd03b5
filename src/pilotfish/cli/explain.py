"""`pilotfish explain`: which rule a request would take and why, offline. Nothing is sent, no key is
read.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

from pilotfish.errors import ClientError, RuleError, StartError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "explain", help="which rule a request takes and why, and who would serve it"
    )
    parser.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="PATH",
        help="rules file or folder; may be repeated",
    )
    parser.add_argument(
        "--request",
        required=True,
        metavar="FILE",
        help="the body that a client would send; - is standard input",
    )
    parser.add_argument(
        "--path",
        default="/v1/chat/completions",
        help="where it would send it (default: %(default)s)",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        metavar="NAME: VALUE",
        help="a header of the request; may be repeated",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--allow-inline-secrets", action="store_true", help="accept literal keys in the rules"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0; 1 if no rule takes the request; 2 for rules or a request that cannot be read."""
    headers = [_header(text) for text in args.header]
    body = body_of(args.request)
    try:
        answer = _explained(args.config, args.path, body, headers, args.allow_inline_secrets)
    except RuleError as e:
        for problem in e.problems:
            print(f"{problem.source}: {problem.path or '.'}: {problem.message}", file=sys.stderr)
        return 2
    except ClientError as e:
        if e.code != "model_not_found":
            raise StartError(f"{args.request}: {e.message}") from None
        answer = {"rule": None, "why": e.message, "candidates": [], "left_out": []}
    if args.format == "json":
        import orjson

        print(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    else:
        print("\n".join(lines_of(answer)))
    return 0 if answer["rule"] is not None else 1


def _explained(
    paths: list[str], path: str, body: bytes, headers: list[tuple[bytes, bytes]], inline: bool
) -> dict[str, Any]:
    """As `/explain` of a proxy that has just started with these rules. Raises RuleError and
    ClientError.
    """
    # The router is the proxy's own, so that what is explained is what would happen.
    from pilotfish import styles
    from pilotfish.admin.routes import explain_request
    from pilotfish.core.routing.router import Router
    from pilotfish.core.state.ledger import Ledger
    from pilotfish.core.state.limits import Budgets
    from pilotfish.core.state.race_history import RaceHistory
    from pilotfish.sources.files import read_files
    from pilotfish.sources.judging import compiled

    snapshot = compiled(read_files(paths), inline)
    router = Router(Ledger(), Budgets(), RaceHistory(), styles.get, random.Random())
    router.adopt(snapshot)
    return explain_request(router, path, body, headers, "127.0.0.1")


def lines_of(answer: dict[str, Any]) -> list[str]:
    """The same for people."""
    if answer["rule"] is None:
        return [f"no rule takes it: {answer['why']}"]
    lines = [f"rule        {answer['rule']}: {answer['why']}"]
    if answer.get("tactic"):
        lines.append(f"tactic      {answer['tactic']}")
    routing = answer["smart_routing"]
    for checked in routing["checked"]:
        said = "matches" if checked["matched"] else "does not match"
        name = f" ({checked['description']})" if checked.get("description") else ""
        lines.append(f"smart       block {checked['block']}{name} {said}: {checked['why']}")
    if routing["block"] is not None:
        lines.append(f"            taken: block {routing['block']}")
    candidates = answer["candidates"]
    for n, c in enumerate(candidates):
        lines.append(
            f"{'candidates' if n == 0 else '':<11} {n + 1}. {c['service']} (tier {c['tier']})"
            f"{': ' + c['why'] if c['why'] else ''}"
        )
        if c.get("request"):
            lines.append(f"{'':<15}sends {json.dumps(c['request'], ensure_ascii=False)}")
    if not candidates:
        lines.append("candidates  none: the request would be refused")
    for n, left in enumerate(answer["left_out"]):
        lines.append(f"{'left out' if n == 0 else '':<11} {left['service']}: {left['why']}")
    return lines


def body_of(name: str) -> bytes:
    """The body in this file, or of standard input for `-`. Raises StartError."""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as e:
        raise StartError(f"{name}: cannot be read: {e.strerror or e}") from None


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise StartError(f"--header: expected 'NAME: VALUE', found {text!r}")
    return name.strip().lower().encode(), value.strip().encode()
