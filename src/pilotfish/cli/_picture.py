"""What `pilotfish top` draws: `/status` and `/recent` as lines that fit a terminal. Pure."""

from __future__ import annotations

from collections import Counter
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
# In the order of their worth to somebody on call; "oldest" is the age of the oldest request there.
HEAD = (
    "service",
    "state",
    "errors",
    "oldest",
    "flying",
    "ttft",
    "p95",
    "left",
    "tok/s",
    "rules",
    "requests",
    "tokens",
)
LEFT = frozenset({"service", "rules", "state"})  # names to the left, figures to the right
ALWAYS = 2  # service and state are left out nowhere; of the rest the last go first
LATE = 3  # late requests that are listed
# Outcomes of attempts at which nobody failed.
GOOD = frozenset({"served", "client_gone", "lost_race"})
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
    lines += ["", *_services(merged(status["services"]), room, paper)]
    for race in status["races"]:
        shares = ", ".join(
            f"{s['service']} won {s['wins']:g} lost {s['losses']:g}" for s in race["services"]
        )
        lines.append(paper.paint(f"race {race['virtual_model']}: {shares}", ""))
    lines += [paper.paint(line, RED) for line in _spent(status.get("budgets", ()))]
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
    # A proxy of an older version says neither.
    if "traffic" in status:
        lines.append(paper.paint(_traffic(status["traffic"]), ""))
    if "late" in status:
        lines += [paper.paint(line, YELLOW) for line in _late(status["late"])]
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


def _traffic(now: dict[str, Any]) -> str:
    """What is so now, over all services."""
    errors = "-" if now["error_share"] is None else f"{now['error_share'] * 100:.1f} %"
    first = f"{_number(now['ttft_p50_ms'])} / {_number(now['ttft_p95_ms'])} ms"
    return (
        f"{now['requests_per_second']:.1f} requests/s, {errors} errors, ttft {first}, "
        f"{now['tokens_per_second']:.0f} tok/s, {_cost(now)}"
    )


def _cost(now: dict[str, Any]) -> str:
    """Tokens without a price are in no cost, which is not a cost of 0."""
    unpriced = now.get("unpriced_tokens", 0)
    known = f"${now['usd_per_hour']:.2f}/h"
    if not unpriced:
        return known
    return f"{known} and {unpriced} tokens without a price" if now["usd_per_hour"] else "no price"


def _spent(budgets: Sequence[dict[str, Any]]) -> list[str]:
    """Budgets of a day that are spent."""
    return [
        f"budget of {b['scope']} {b['name']} is spent: {b['used']:g} of {b['limit']:g} {b['kind']}"
        f" a day, until {b['until']} ({b['action']})"
        for b in budgets
        if b["until"]
    ]


def _late(late: dict[str, Any]) -> list[str]:
    """Requests that hang, before they end."""
    lines = []
    for request in late["requests"][:LATE]:
        tries = ", ".join(f"{a['service']} for {a['waits_for']}" for a in request["attempts"])
        lines.append(
            f"late: rule {request['rule']}, {request['model']}: silent for "
            f"{request['silent_s']:.0f} s, waits on {tries or 'nobody'}"
        )
    if late["count"] > len(lines):
        lines.append(f"late: {late['count'] - len(lines)} more")
    return lines


def merged(services: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of each (provider, model), with the rules that use it."""
    found: dict[str, dict[str, Any]] = {}
    for service in services:
        name = f"{service['provider']}/{service['model']}"
        one = found.get(name)
        if one is None:
            one = found[name] = {**service, "name": name, "rules": [], "outcomes": Counter()}
        one["active"] = one["active"] or service["active"]
        one["rules"].append(service["rule"])
        one["outcomes"].update(service["outcomes"])
    return list(found.values())


def _services(services: list[dict[str, Any]], room: int | None, paper: Paper) -> list[str]:
    """The table; where it does not fit, those that are out come first."""
    if not services:
        return ["no service yet"]
    groups = [(s, _because(s)) for s in services]
    if room is not None and 1 + sum(1 + len(why) for _, why in groups) > room:
        groups.sort(key=lambda g: not g[0]["active"] or g[0]["state"] == "serving")
    columns, widths = _fitting([row(s) for s in services], paper.width)
    lines = [paper.paint(_columns(HEAD, columns, widths), BOLD)]
    for n, (service, why) in enumerate(groups):
        needs = 1 + len(why)
        if room is not None and len(lines) + needs + (n < len(groups) - 1) > room:
            lines.append(paper.paint(f"... {len(groups) - n} more services", ""))
            break
        colour = COLOURS.get(service["state"], "") if service["active"] else DIM
        lines.append(paper.paint(_columns(row(service), columns, widths), colour))
        lines += [paper.paint(f"    {line}", "") for line in why]
    return lines


def _because(service: dict[str, Any]) -> list[str]:
    """Why it is out, when it is tried again, and what its attempts came to."""
    said = [service["reason"]] if service["reason"] else []
    keys = service.get("credentials") or []
    out = [k for k in keys if k["state"] != "serving"]
    if out:
        words = ", ".join(f"{k['source'] or 'key'} {k['reason'] or k['state']}" for k in out)
        said.append(f"{len(out)} of {len(keys)} keys out: {words}")
    lines = ["; ".join(said)] if said else []
    window = service["window"]
    if service.get("price", "") is None and window["input_tokens"] + window["output_tokens"]:
        lines.append("no price: its tokens are in no cost")
    if service["active"] and service["state"] != "serving":
        left, step = service.get("seconds_left"), service.get("step", service["trips"])
        trial = "on trial" if service["state"] == "probing" else "trial due"
        if left:
            trial = f"next trial in {left:.0f} s"
        parts = [trial, *([f"step {step}"] if step else [])]
        failed = [
            f"{word} {n}" for word, n in service["outcomes"].items() if word not in GOOD and n
        ]
        lines.append("; ".join([*parts, *([", ".join(failed)] if failed else [])]))
    return lines


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
    """Of a merged service, in the order of HEAD."""
    first, window = service["ttft_ms"], service["window"]
    left, oldest = service["headroom"]["requests"], service.get("oldest_in_flight_s")
    return (
        cut(service["name"], NAME),
        service["state"] if service["active"] else "off",
        str(sum(n for word, n in service["outcomes"].items() if word not in GOOD)),
        "-" if oldest is None else f"{oldest:.0f} s",
        str(service["in_flight"]),
        _number(first.get("p50"), " ms"),
        _number(first.get("p95"), " ms"),
        "-" if left is None else f"{left:g}",
        _number(service["tokens_per_second"].get("avg")),
        cut(", ".join(service["rules"]), NAME // 2),
        str(window["requests"]),
        str(window["input_tokens"] + window["output_tokens"]),
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

    while width is not None and len(columns) > ALWAYS and total() > width:
        columns.pop()
    if width is not None and total() > width:
        widths[0] = max(8, widths[0] - (total() - width))
    return columns, widths


def _columns(cells: tuple[str, ...], columns: list[int], widths: list[int]) -> str:
    shown = [(cut(cells[i], widths[i]), widths[i], HEAD[i] in LEFT) for i in columns]
    return (" " * MARGIN).join(c.ljust(w) if left else c.rjust(w) for c, w, left in shown).rstrip()
