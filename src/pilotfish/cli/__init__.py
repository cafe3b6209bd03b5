"""The commands: one module each, found in this folder. A module has `add_parser(subparsers)`, whose
parser's `run` takes the arguments.

Exit codes: 0 done, 1 the answer is no, 2 wrong use or unreadable input.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules

from pilotfish import __version__
from pilotfish.errors import StartError

# What is imported stays: looking for cycles in it every few hundred objects is a part of each
# start.
GC_THRESHOLDS = (20_000, 20, 50)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command. Its name decides which modules are imported: a sidecar pays for each."""
    _open_standard_files()
    given = list(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(*GC_THRESHOLDS)
    os.environ.setdefault(
        "PYDANTIC_DISABLE_PLUGINS", "__all__"
    )  # whatever is installed, nothing but us reads the rules
    try:
        args = _parser(given).parse_args(given)
        code: int = args.run(args)
        return code
    except StartError as e:
        print(f"pilotfish: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output is gone, so there is nothing more to write
        return 0


def _open_standard_files() -> None:
    """Opens standard files that a supervisor has closed. The first connections would take their
    numbers, and be written to as output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def commands() -> dict[str, str]:
    """Command -> module."""
    names = [m.name for m in iter_modules(__path__) if not m.name.startswith("_")]
    return {name.removesuffix("_"): f"{__name__}.{name}" for name in sorted(names)}


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotfish",
        description="A sidecar for LLM traffic: routes, fails over, translates and measures.",
    )
    parser.add_argument("--version", action="version", version=f"pilotfish {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = commands()
    wanted = next((g for g in given if not g.startswith("-")), "")
    for name in [wanted] if wanted in known else known:
        import_module(known[name]).add_parser(subparsers)
    return parser
