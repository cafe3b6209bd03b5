"""`pilotfish schema`: the JSON Schema of the rules file, for editors and CI."""

from __future__ import annotations

import argparse
import json

from pilotfish.core.rules.json_schema import json_schema, reference
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("schema", help="print the JSON Schema of the rules file")
    parser.add_argument(
        "--format",
        choices=("json", "markdown"),
        default="json",
        help="markdown: the reference of docs/rules.md",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Always 0."""
    if args.format == "markdown":
        print(reference())
    else:
        print(json.dumps(json_schema(all_kinds(), all_tactics()), indent=2))
    return 0
