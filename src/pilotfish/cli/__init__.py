"""The commands: one module each, found in this folder. A module has `add_parser(subparsers)`, whose parser's `run` takes the arguments.

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
from types import ModuleType

from pilotfish import __version__
from pilotfish.errors import StartError

# What is imported stays: looking for cycles in it every few hundred objects is a part of each start.
GC_THRESHOLDS = (20_000, 20, 50)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; what it was called as decides which modules are imported, since a sidecar pays for each."""
    given = list(sys.argv[1:] if argv is None else argv)
    gc.set_threshold(*GC_THRESHOLDS)
    _without_plugins()
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
        sys.stderr.close()  # who read our output has gone; there is nobody to tell
        return 0


def _without_plugins() -> None:
    """Plugins of pydantic could read our rules, so there are none, as its PYDANTIC_DISABLE_PLUGINS says. Even then the module that
    would look for them is imported, and with it the mail and archive modules that read packages' metadata: 1 MiB of every sidecar.
    An empty one takes its place; should pydantic rename it, the variable still says what is meant."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    loader = ModuleType("pydantic.plugin._loader")
    loader.__dict__["get_plugins"] = tuple
    sys.modules.setdefault(loader.__name__, loader)


def commands() -> dict[str, str]:
    """Command -> module."""
    names = [m.name for m in iter_modules(__path__) if not m.name.startswith("_")]
    return {name.removesuffix("_"): f"{__name__}.{name}" for name in sorted(names)}


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotfish", description="A sidecar for LLM traffic: routes, fails over, translates and measures."
    )
    parser.add_argument("--version", action="version", version=f"pilotfish {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = commands()
    wanted = next((g for g in given if not g.startswith("-")), "")
    for name in [wanted] if wanted in known else known:
        import_module(known[name]).add_parser(subparsers)
    return parser
