"""What `pilotfish top` draws: `/status` and `/recent` as lines that fit a terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BOLD, DIM, RED, YELLOW, GREEN, PLAIN = (
    "\x1b[1m",
    "\x1b[2m",
    "\x1b[31m",
    "\x1b[33m",
    "\x1b[32m",
    "\x1b[0m",
)
COLOURS = {"serving": GREEN, "probing": YELLOW, "cooling": RED}
HEAD = (
    "service",
    "rule",
    "tier",
    "state",
    "flying",
    "latency",
    "p95",
    "ttft",
    "tok/s",
    "requests",
    "tokens",
    "left",
)
LEFT = frozenset({"service", "rule", "state"})  # names to the left, figures to the right
# What goes first where the terminal is narrow; service and state never do.
LEAST = ("tokens", "tier", "latency", "requests", "left", "rule", "tok/s", "p95", "flying", "ttft")
# longer names are cut in the middle: providers differ at their beginning, models at their end
NAME = 48
MARGIN = 2
RECENT_SHARE = 4  # decisions get a quarter of the lines, however many services there are


@dataclass(frozen=True, slots=True)
class Paper:
    """`width` and `rows` of the terminal; None: unlimited."""

    width: int | None = None
    rows: int | None = None
    colours: bool = False

    def paint(self, text: str, colour: str) -> str:
        """One line, cut to the width and without control characters: models and messages may hold
        anything.
        """
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
        if self.width is not None and len(shown) > self.width:
            shown = f"{shown[: max(0, self.width - 3)]}..."
        return f"{colour}{shown}{PLAIN}" if self.colours and colour else shown


def picture(
    status: dict[str, Any],
    recent: Sequence[dict[str, Any]],
    admin: str,
    paper: Paper,
    trouble: str = "",
) -> list[str]:
    """One picture, line by line. `trouble`: why it shows older figures, where the proxy did not
    answer.
    """
    lines = [paper.paint(trouble, RED)] if trouble else []
    lines += _head(status, admin, paper)
    decisions = _decisions(recent, paper)
    room = (
        None
        if paper.rows is None
        else max(4, paper.rows - len(lines) - 1 - min(len(decisions), paper.rows // RECENT_SHARE))
    )
    lines += ["", *_services(status["services"], room, paper)]
    for race in status["races"]:
        shares = ", ".join(
            f"{s['service']} won {s['wins']:g} lost {s['losses']:g}" for s in race["services"]
        )
        lines.append(paper.paint(f"race {race['virtual_model']}: {shares}", ""))
    lines += decisions
    return lines if paper.rows is None else lines[: paper.rows]


def _head(status: dict[str, Any], admin: str, paper: Paper) -> list[str]:
    rules = status["rules"]
    state = "draining" if status["draining"] else "ready" if status["ready"] else "not ready"
    flying = status.get("in_flight", 0)
    lines = [
        paper.paint(
            f"pilotfish {status['version']} at {admin}: {state}, {flying} in flight",
            BOLD if state == "ready" else RED,
        ),
        paper.paint(
            f"rules {rules['version'] or 'none'} since {rules['applied_at'] or '-'}"
            f" from {', '.join(rules['sources']) or '-'}",
            "",
        ),
    ]
    for n, problem in enumerate(rules["problems"]):
        if paper.rows is not None and n == 3:
            lines.append(
                paper.paint(f"{len(rules['problems']) - n} more problems: see /status", RED)
            )
            break
        source = f"{problem['source']}: " if problem["source"] else ""
        lines.append(
            paper.paint(f"problem: {source}{problem['path'] or '.'}: {problem['message']}", RED)
        )
    return lines


def _services(services: list[dict[str, Any]], room: int | None, paper: Paper) -> list[str]:
    """The table; where it does not fit, those that are out come first."""
    if not services:
        return ["no service yet"]
    groups = [(s, _because(s)) for s in services]
    if room is not None and 1 + sum(1 + bool(why) for _, why in groups) > room:
        groups.sort(key=lambda g: not g[0]["active"] or g[0]["state"] == "serving")
    columns, widths = _fitting([row(s) for s in services], paper.width)
    lines = [paper.paint(_columns(HEAD, columns, widths), BOLD)]
    for n, (service, why) in enumerate(groups):
        needs = 1 + bool(why)
        if room is not None and len(lines) + needs + (n < len(groups) - 1) > room:
            lines.append(paper.paint(f"... {len(groups) - n} more services", ""))
            break
        colour = COLOURS.get(service["state"], "") if service["active"] else DIM
        lines.append(paper.paint(_columns(row(service), columns, widths), colour))
        if why:
            lines.append(paper.paint(f"    {why}", ""))
    return lines


def _because(service: dict[str, Any]) -> str:
    said = []
    if service["reason"]:
        left = f", {service['seconds_left']:.0f} s left" if service.get("seconds_left") else ""
        said.append(f"{service['reason']}{left}")
    keys = service.get("credentials") or []
    out = [k for k in keys if k["state"] != "serving"]
    if out:
        words = ", ".join(f"{k['source'] or 'key'} {k['reason'] or k['state']}" for k in out)
        said.append(f"{len(out)} of {len(keys)} keys out: {words}")
    return "; ".join(said)


def _decisions(recent: Sequence[dict[str, Any]], paper: Paper) -> list[str]:
    """The newest first: the outcome of each request, its rule and why, and each attempt with why it
    was made and which services were passed over.
    """
    if not recent:
        return []
    lines = ["", paper.paint("recent decisions", BOLD)]
    for record in recent:
        because = record.get("why") or {}
        code, tried = record["code"], record["attempts"]
        took = (
            f"{record['duration_ms']:.0f} ms"
            if "duration_ms" in record
            else record.get("reason", "")
        )
        rule = f"; rule {record['rule']}: {because.get('rule', '')}" if record["rule"] else ""
        asked, served = record.get("model") or record["path"], record["service"] or "nobody"
        head = f"{record['time'][11:19]} {code} {asked} -> {served}, {took}{rule}"
        lines.append(paper.paint(head, GREEN if code < 400 else RED))
        if because.get("smart_routing"):
            lines.append(paper.paint(f"    smart routing: {because['smart_routing']}", ""))
        for attempt in tried:
            why = f" ({attempt['why']})" if attempt.get("why") else ""
            kinds = "".join(
                f", {kind}" for kind in ("hedge", "rescue", "forced") if attempt.get(kind)
            )
            lines.append(
                paper.paint(
                    f"    {attempt['service']}: {attempt['outcome']}, "
                    f"{attempt['duration_ms']:.0f} ms{kinds}{why}",
                    "",
                )
            )
            lines += [
                paper.paint(f"      not {p['service']}: {p['why']}", DIM)
                for p in attempt.get("passed_over", ())
            ]
        lines += [
            paper.paint(f"    not usable: {p['service']}: {p['why']}", DIM)
            for p in because.get("none_usable", ())
        ]
    return lines


def row(service: dict[str, Any]) -> tuple[str, ...]:
    latency, window = service["latency_ms"], service["window"]
    left = service["headroom"]["requests"]
    return (
        cut(f"{service['provider']}/{service['model']}", NAME),
        cut(service["rule"], NAME // 2),
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


def cut(name: str, longest: int) -> str:
    """Its beginning and its end."""
    if len(name) <= longest:
        return name
    head = (longest - 3) // 2
    return f"{name[:head]}...{name[len(name) - (longest - 3 - head) :]}"


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.0f}{unit}"


def _fitting(rows: list[tuple[str, ...]], width: int | None) -> tuple[list[int], list[int]]:
    """The columns that fit the width, and the width of each."""
    widths = [max(len(r[i]) for r in (HEAD, *rows)) for i in range(len(HEAD))]
    columns = list(range(len(HEAD)))

    def total() -> int:
        return sum(widths[i] + MARGIN for i in columns) - MARGIN

    for name in LEAST:
        if width is None or total() <= width:
            break
        columns.remove(HEAD.index(name))
    if width is not None and total() > width:
        widths[0] = max(8, widths[0] - (total() - width))
    return columns, widths


def _columns(cells: tuple[str, ...], columns: list[int], widths: list[int]) -> str:
    shown = [(cut(cells[i], widths[i]), widths[i], HEAD[i] in LEFT) for i in columns]
    return (" " * MARGIN).join(c.ljust(w) if left else c.rjust(w) for c, w, left in shown).rstrip()
