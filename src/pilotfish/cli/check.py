"""`pilotfish check PATH...`: validates rules files, folders of them, and manifests that hold
ConfigMaps.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.rules.compile import checked_documents
from pilotfish.core.rules.documents import SUFFIXES, read_text
from pilotfish.errors import Problem, RuleError, StartError
from pilotfish.providers import all_kinds
from pilotfish.sources.files import files_of
from pilotfish.sources.price_catalogue import known_models, list_price
from pilotfish.tactics import all_tactics

_TRUE = ("1", "true", "yes", "on")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check", help="validate rules files, or manifests holding ConfigMaps"
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file or folder; - is standard input. All are merged, as the proxy does",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how problems are printed"
    )
    parser.add_argument("--strict", action="store_true", help="warnings fail as problems do")
    parser.add_argument(
        "--allow-inline-secrets",
        action="store_true",
        default=os.environ.get("PILOTFISH_ALLOW_INLINE_SECRETS", "").lower() in _TRUE,
        help="accept literal keys, as PILOTFISH_ALLOW_INLINE_SECRETS=true does",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 good, 1 problems. Raises `StartError` (exit code 2) for a path that cannot be read."""
    texts = [pair for path in args.paths for pair in _texts(path)]
    snapshot, problems, warnings = _check(texts, args.allow_inline_secrets)
    if args.format == "json":
        found = [_as_json(p) for p in problems]
        found += [{**_as_json(w), "severity": "warning"} for w in warnings]
        print(json.dumps(found, indent=2))
    else:
        for problem in problems:
            print(problem)
        for warning in warnings:
            print(f"warning: {warning}")
    if snapshot is None:
        return 1
    for note in snapshot.notes:
        print(f"note: {note}", file=sys.stderr)
    print(_summary(snapshot, warnings), file=sys.stderr)
    return 1 if warnings and args.strict else 0


def _as_json(problem: Problem) -> dict[str, str]:
    return {"file": problem.source, "path": problem.path, "message": problem.message}


def _check(
    texts: list[tuple[str, str]], allow_inline_secrets: bool
) -> tuple[Snapshot | None, list[Problem], list[Problem]]:
    """The rules, their problems and what is most likely not meant. Reads every text even if another
    one cannot be read, so that all problems are reported at once.
    """
    readings = [read_text(source, text) for source, text in texts]
    documents = [d for reading in readings for d in reading.documents]
    problems = [p for reading in readings for p in reading.problems]
    try:
        snapshot, warnings = checked_documents(
            documents,
            kinds=all_kinds(),
            tactics=all_tactics(),
            allow_inline_secrets=allow_inline_secrets,
            environment=os.environ,
            catalogue=list_price,
            models_of=known_models,
        )
    except RuleError as error:
        # What is unknown may stand in the text that could not be read, but a weight is wrong all
        # the same.
        return None, problems + error.problems, []
    return (None, problems, []) if problems else (snapshot, [], warnings)


def _texts(path: str) -> Iterator[tuple[str, str]]:
    """(name, text) of a file, or of every rules file that the proxy would read in a folder. Raises
    `StartError` for what cannot be read.
    """
    if path == "-":
        yield "stdin", _decoded("stdin", sys.stdin.buffer.read())
        return
    try:
        files = files_of([path])
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not files:
        raise StartError(f"{path}: no file ending in {', '.join(SUFFIXES)} in this folder")
    for file in files:
        yield str(file), _read(file)


def _read(file: Path) -> str:
    try:
        return _decoded(str(file), file.read_bytes())
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror or error}") from None


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise StartError(f"{name}: cannot be read: not UTF-8 at byte {error.start}") from None


def _summary(snapshot: Snapshot, warnings: list[Problem]) -> str:
    if not snapshot.sources:
        return "nothing to check: no rules in these files"
    counts = {
        "rule": len(snapshot.rules),
        "provider": len(snapshot.providers),
        "virtual model": len(snapshot.virtual_models),
    }
    said = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items())
    doubts = f"; {len(warnings)} warning{'' if len(warnings) == 1 else 's'}" if warnings else ""
    return f"good: {said}; version {snapshot.version}{doubts}"
