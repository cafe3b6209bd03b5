"""`pilotfish demo`: the proxy with simulated providers, no keys and no cluster; `--once` shows what
it does and ends.
"""

from __future__ import annotations

import argparse

from pilotfish.errors import StartError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "demo", help="the proxy with simulated providers: no keys, no cluster"
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="send a few requests through it, say what happened, end (on free ports)",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where clients connect (default: 127.0.0.1:14000)"
    )
    parser.add_argument(
        "--admin-listen",
        metavar="HOST:PORT",
        help="metrics, status, health (default: 127.0.0.1:14001)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 1 if `--once` did not go as planned; 2 for a port that is taken."""
    from pilotfish.demo.terminal import once, until_stopped
    from pilotfish.process import run_loop
    from pilotfish.settings import address
    from pilotfish.telemetry import logs

    for given in (args.listen, args.admin_listen):
        try:
            address(given or "127.0.0.1:0")
        except ValueError as e:
            raise StartError(str(e)) from None
    # What goes wrong on purpose is in the requests' own lines.
    logs.set_up("error" if args.once else "warning", "console")
    went_well = True

    async def whole() -> None:
        nonlocal went_well
        if args.once:
            went_well = await once(args.listen or "127.0.0.1:0", args.admin_listen or "127.0.0.1:0")
        else:
            await until_stopped(
                args.listen or "127.0.0.1:14000", args.admin_listen or "127.0.0.1:14001"
            )

    run_loop(whole, "")
    return 0 if went_well else 1
