"""`pilotfish top`: the status page for a terminal. Asks `/status` and `/recent` again and again and
draws what they say.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from typing import Any

from pilotfish.cli._admin_port import DEFAULT, address_of, asked
from pilotfish.cli._picture import Paper, picture
from pilotfish.errors import StartError

SHOWN_ONCE = 5  # decisions shown with --once
# Home and clear to the end, rather than clear all: the screen does not flicker.
CLEAR, HOME, TO_END, LINE_END = "\x1b[2J", "\x1b[H", "\x1b[J", "\x1b[K"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("top", help="the status page for a terminal")
    parser.add_argument(
        "--admin",
        default=DEFAULT,
        metavar="HOST:PORT",
        help="the proxy's admin address (default: %(default)s)",
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time between two looks (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="one look, no redrawing")
    parser.add_argument(
        "--unusual",
        action="store_true",
        help="of the recent decisions only those not served at the first attempt",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0; 2 if nothing answers there. Ctrl-C ends it."""
    if args.interval <= 0:
        raise StartError(
            f"--interval: expected a number of seconds above 0, found {args.interval:g}"
        )
    status = status_at(args.admin)
    if args.once:
        recent = recent_at(args.admin, unusual=args.unusual)[:SHOWN_ONCE]
        print("\n".join(picture(status, recent, args.admin, Paper(colours=_has_colours()))))
        return 0
    trouble, recent = "", recent_at(args.admin, unusual=args.unusual)
    begun = False
    try:
        while True:
            draw(status, recent, args.admin, trouble, begun)
            begun = True
            time.sleep(args.interval)
            try:
                status, recent, trouble = (
                    status_at(args.admin),
                    recent_at(args.admin, unusual=args.unusual),
                    "",
                )
            except StartError as e:
                trouble = (
                    trouble
                    or f"no answer since {time.strftime('%H:%M:%S')}, looking again; "
                    f"this is what was known before: {e}"
                )
    except KeyboardInterrupt:
        print()
        return 0


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def draw(
    status: dict[str, Any], recent: list[dict[str, Any]], admin: str, trouble: str, begun: bool
) -> None:
    if not sys.stdout.isatty():
        print("\n".join(picture(status, recent[:SHOWN_ONCE], admin, Paper(), trouble)), flush=True)
        return
    size = shutil.get_terminal_size()
    paper = Paper(size.columns, size.lines - 1, _has_colours())
    lines = picture(status, recent, admin, paper, trouble)
    sys.stdout.write(
        ("" if begun else CLEAR) + HOME + "".join(f"{line}{LINE_END}\n" for line in lines) + TO_END
    )
    sys.stdout.flush()


def status_at(admin: str) -> dict[str, Any]:
    """What `/status` says. Raises StartError with what was found there instead."""
    code, said = asked(admin, "/status")
    if code == 200 and isinstance(said, dict) and isinstance(said.get("services"), list):
        return said
    raise StartError(
        f"{address_of(admin)} answers, but not as a proxy's admin port does "
        f"(status {code} for /status)"
    )


def recent_at(admin: str, *, unusual: bool = False) -> list[dict[str, Any]]:
    """The content of `/recent`; empty where that path does not exist. Raises StartError where
    nothing answers.
    """
    code, said = asked(admin, "/recent?unusual=1" if unusual else "/recent")
    return said if code == 200 and isinstance(said, list) else []
