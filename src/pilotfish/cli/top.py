"""`pilotfish top`: the status page for a terminal. Asks `/status` again and again and draws what it says."""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import time
from typing import Any

from pilotfish.errors import StartError

DEFAULT = "127.0.0.1:14001"
TIMEOUT_S = 5.0
# Home and clear to the end, rather than clear all: the screen does not flicker.
HOME, TO_END, LINE_END = "\x1b[H", "\x1b[J", "\x1b[K"
BOLD, RED, YELLOW, GREEN, PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"
COLOURS = {"serving": GREEN, "probing": YELLOW, "cooling": RED}
HEAD = ("service", "rule", "tier", "state", "flying", "latency", "p95", "ttft", "tok/s", "requests", "tokens", "left")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("top", help="the status page for a terminal")
    parser.add_argument("--admin", default=DEFAULT, metavar="HOST:PORT", help="the proxy's admin address (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="time between two looks (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="one look, no redrawing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0; 2 if nothing answers there. Ctrl-C ends it."""
    if args.interval <= 0:
        raise StartError(f"--interval: expected a number of seconds above 0, found {args.interval:g}")
    colours = sys.stdout.isatty()
    if args.once:
        print("\n".join(frame(status_at(args.admin), args.admin, colours)))
        return 0
    first = True
    try:
        while True:
            try:
                lines = frame(status_at(args.admin), args.admin, colours)
            except StartError as e:
                if first:
                    raise
                lines = [f"{e}; looking again"]
            draw(lines, first)
            first = False
            time.sleep(args.interval)
    except KeyboardInterrupt:
        print()
        return 0


def draw(lines: list[str], first: bool) -> None:
    if not sys.stdout.isatty():
        print("\n".join(lines), flush=True)
        return
    rows = shutil.get_terminal_size().lines - 1
    shown = lines if len(lines) <= rows else [*lines[: rows - 1], f"... {len(lines) - rows + 1} more lines"]
    sys.stdout.write(("\x1b[2J" if first else "") + HOME + "".join(f"{line}{LINE_END}\n" for line in shown) + TO_END)
    sys.stdout.flush()


def status_at(admin: str) -> dict[str, Any]:
    """What `/status` says. Raises StartError with what was found there instead."""
    address = admin.removeprefix("http://").rstrip("/")
    try:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    except http.client.InvalidURL as e:
        raise StartError(f"--admin: expected HOST:PORT, found {admin!r} ({e})") from None
    try:
        connection.request("GET", "/status")
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as e:
        why = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise StartError(f"no proxy answers at {address}: {why}; expected the admin address of a running one (--admin HOST:PORT)") from None
    finally:
        connection.close()
    try:
        status = json.loads(data)
        if answer.status == 200 and isinstance(status["services"], list):
            return dict(status)
    except (ValueError, KeyError, TypeError):
        pass
    raise StartError(f"{address} answers, but not as a proxy's admin port does (status {answer.status} for /status)")


def frame(status: dict[str, Any], admin: str, colours: bool) -> list[str]:
    """One picture of it, line by line."""

    def paint(text: str, colour: str) -> str:
        return f"{colour}{text}{PLAIN}" if colours and colour else text

    rules = status["rules"]
    state = "draining" if status["draining"] else "ready" if status["ready"] else "not ready"
    lines = [
        f"{paint('pilotfish ' + status['version'], BOLD)} at {admin}: {paint(state, GREEN if state == 'ready' else RED)}, {status.get('in_flight', 0)} in flight",
        f"rules {rules['version'] or 'none'} since {rules['applied_at'] or '-'} from {', '.join(rules['sources']) or '-'}",
    ]
    for problem in rules["problems"]:
        lines.append(paint(f"problem: {problem['source']}: {problem['path'] or '.'}: {problem['message']}", RED))
    lines.append("")
    rows = [row(s) for s in status["services"]]
    widths = [max(len(r[i]) for r in (HEAD, *rows)) for i in range(len(HEAD))]
    lines.append(paint(_columns(HEAD, widths), BOLD))
    for service, cells in zip(status["services"], rows, strict=True):
        lines.append(paint(_columns(cells, widths), COLOURS.get(service["state"], "") if service["active"] else YELLOW))
        if service["reason"]:
            until = f", {service['seconds_left']:.0f} s left" if service.get("seconds_left") else ""
            lines.append(f"    {service['reason']}{until}")
    for race in status["races"]:
        shares = ", ".join(f"{s['service']} won {s['wins']:g} lost {s['losses']:g}" for s in race["services"])
        lines.append(f"race {race['virtual_model']}: {shares}")
    return lines


def row(service: dict[str, Any]) -> tuple[str, ...]:
    latency, window = service["latency_ms"], service["window"]
    left = service["headroom"]["requests"]
    return (
        f"{service['provider']}/{service['model']}",
        service["rule"],
        str(service["tier"]),
        service["state"] if service["active"] else "off",
        str(service["in_flight"]),
        _number(latency.get("avg"), " ms"),
        _number(latency.get("p95"), " ms"),
        _number(service["ttft_ms"].get("avg"), " ms"),
        _number(service["tokens_per_second"].get("avg")),
        str(window["requests"]),
        str(window["input_tokens"] + window["output_tokens"]),
        "-" if left is None else f"{left:g}",
    )


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.0f}{unit}"


def _columns(cells: tuple[str, ...], widths: list[int]) -> str:
    """Names to the left, figures to the right."""
    return "  ".join(c.ljust(w) if i in (0, 1, 3) else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))).rstrip()
