"""`pilotfish reset`: services back to serving, by hand. Asks the admin port of a running proxy,
which takes it from its own machine only, or through a port-forward.
"""

from __future__ import annotations

import argparse
import json
import sys

from pilotfish.cli._admin_port import DEFAULT, address_of, asked
from pilotfish.errors import StartError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("reset", help="services back to serving, by hand")
    parser.add_argument(
        "--admin",
        default=DEFAULT,
        metavar="HOST:PORT",
        help="the proxy's admin address (default: %(default)s)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--service", metavar="PROVIDER/MODEL", help="this service")
    which.add_argument("--provider", metavar="NAME", help="the services of this provider")
    which.add_argument("--all", action="store_true", help="all services")


def run(args: argparse.Namespace) -> int:
    """0; 1 where the proxy knows no such service; 2 where nothing answers, or it does not allow
    it.
    """
    if args.all:
        wanted: dict[str, object] = {"all": True}
    else:
        wanted = {"service": args.service} if args.service else {"provider": args.provider}
    code, said = asked(args.admin, "/reset", json.dumps(wanted).encode())
    if code == 200 and isinstance(said, dict) and isinstance(said.get("reset"), int):
        print(f"{said['reset']} {'service' if said['reset'] == 1 else 'services'} serving again")
        return 0
    why = _why(said)
    if code == 404 and why:
        print(f"pilotfish: {why}", file=sys.stderr)
        return 1
    raise StartError(
        f"{address_of(args.admin)} answers with status {code}: {why or 'not as an admin port does'}"
    )


def _why(said: object) -> str:
    """The message of an admin port, whose errors hold nothing else; empty of anybody else's."""
    error = said.get("error") if isinstance(said, dict) else None
    return str(error["message"]) if isinstance(error, dict) and set(error) == {"message"} else ""
