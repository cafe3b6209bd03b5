"""`pilotfish import FILE`: a tingly-box JSON configuration or a LiteLLM `config.yaml` in, a rules
file out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.importing import Known, imported
from pilotfish.core.rules.yaml_text import TextError, parse
from pilotfish.errors import RuleError, StartError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "import", help="turn a tingly-box or LiteLLM configuration into a rules file"
    )
    parser.add_argument("file", metavar="FILE", help="the configuration; - is standard input")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 written; 1 written, but `pilotfish check` would refuse it as it is; 2 unreadable. Losses
    are on stderr in any case.
    """
    tactics = all_tactics()
    known = Known(
        all_kinds(),
        {name: frozenset(tactic.Params.model_fields) for name, tactic in tactics.items()},
    )
    try:
        result = imported(_parsed(args.file), known)
    except ValueError as e:
        raise StartError(f"{args.file}: {e}") from None
    print(
        yaml.dump(result.rules, Dumper=_WrittenOut, sort_keys=False, allow_unicode=True, width=120),
        end="",
    )
    for line in result.lost:
        print(f"not carried over: {line}", file=sys.stderr)
    try:
        compile_documents(
            [RulesDocument("imported", result.rules)], kinds=known.kinds, tactics=tactics
        )
    except RuleError as e:
        for problem in e.problems:
            print(f"to be mended: {problem.path or '.'}: {problem.message}", file=sys.stderr)
        return 1
    return 0


class _WrittenOut(yaml.SafeDumper):
    """Writes what two rules share twice, since people will change one of them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _parsed(name: str) -> Any:
    """JSON or YAML. Raises StartError for a file that cannot be read."""
    try:
        content = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as e:
        raise StartError(f"{name}: cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError as e:
        raise StartError(f"{name}: cannot be read: not UTF-8 at byte {e.start}") from None
    try:
        documents = parse(content, is_json=content.lstrip().startswith("{"))
    except TextError as e:
        raise StartError(f"{name}: neither JSON nor YAML: {e}") from None
    if len(documents) != 1:
        raise StartError(f"{name}: expected one document, found {len(documents)}")
    return documents[0].data
