"""`pilotfish version`."""

from __future__ import annotations

import argparse
import platform

from pilotfish import __version__


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    subparsers.add_parser("version", help="print the version").set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    print(f"pilotfish {__version__} (Python {platform.python_version()})")
    return 0
