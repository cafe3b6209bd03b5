"""`pilotfish prices`: what the models of a configuration cost, and where that is from; the list in
the package; and that list as a file that older proxies read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pilotfish.core.model.price import Price
from pilotfish.errors import RuleError, StartError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "prices", help="what models cost by the rules and by vendors' lists"
    )
    parser.add_argument(
        "--config",
        action="append",
        metavar="PATH",
        help="rules file or folder: the price of each of its services; may be repeated",
    )
    parser.add_argument(
        "--update",
        metavar="FILE",
        help="write this version's list prices into a rules file (price_lists), for proxies of an "
        "older version: beside their rules, or as a ConfigMap; what is newer in the file stays",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0; 1 if a service has no price; 2 for what cannot be read or written."""
    if args.update:
        return _update(Path(args.update))
    try:
        lines = list(_configured(args.config) if args.config else _listed())
    except RuleError as e:
        for problem in e.problems:
            print(f"{problem.source}: {problem.path or '.'}: {problem.message}", file=sys.stderr)
        return 2
    if args.format == "json":
        print(json.dumps(lines, indent=2))
    else:
        for line in lines:
            print(_text(line))
    return 1 if any(line["source"] is None for line in lines) else 0


def _configured(paths: list[str]) -> Iterator[dict[str, Any]]:
    """Each service of the rules once."""
    from pilotfish.core.state.ledger import all_services
    from pilotfish.sources.files import read_files
    from pilotfish.sources.judging import compiled

    snapshot = compiled(read_files(paths), True)
    seen: dict[str, Price | None] = {}
    for service in all_services(snapshot):
        seen.setdefault(service.id, service.price)
    for name, price in seen.items():
        yield _line(name, price)


def _listed() -> Iterator[dict[str, Any]]:
    from pilotfish.sources.price_catalogue import list_price, vendors

    for vendor, entry in vendors().items():
        for model in entry.models:
            yield _line(f"{vendor}/{model}", list_price(vendor, model))


def _line(name: str, price: Price | None) -> dict[str, Any]:
    if price is None:
        return {"service": name, "input": None, "output": None, "source": None}
    return {
        "service": name,
        "input": price.input,
        "output": price.output,
        "cached_input": price.cached_input,
        "source": price.source,
    }


def _text(line: dict[str, Any]) -> str:
    if line["source"] is None:
        return f"{line['service']}: no price; its tokens are in no cost"
    cached = line["cached_input"]
    said = "" if cached is None else f", ${cached:g} cached"
    return (
        f"{line['service']}: ${line['input']:g} input{said}, ${line['output']:g} output "
        f"per million tokens ({line['source']})"
    )


def _update(path: Path) -> int:
    """Writes the file anew: of each vendor the newer list."""
    from pilotfish.sources.price_catalogue import vendors

    lists = _lists_in(path)
    taken = []
    for vendor, entry in vendors().items():
        known = lists.get(vendor)
        if known is not None and str(known["as_of"]) >= entry.as_of:
            continue
        models = {name: json.loads(bytes(given)) for name, given in entry.models.items()}
        own = known["models"] if known is not None else {}
        lists[vendor] = {"as_of": entry.as_of, "models": {**own, **models}}
        taken.append(f"{vendor} as of {entry.as_of}")
    try:
        path.write_text(_written(lists))
    except OSError as error:
        raise StartError(f"{path}: cannot be written: {error.strerror or error}") from None
    print(f"{path}: {', '.join(taken) if taken else 'all lists were as new already'}")
    return 0


def _lists_in(path: Path) -> dict[str, Any]:
    """The price lists of a file that is there. Raises StartError for one that holds other rules,
    which would be lost."""
    from pilotfish.core.rules.documents import read_text

    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path}: cannot be read: {error}") from None
    reading = read_text(str(path), text)
    if reading.problems:
        problem = reading.problems[0]
        raise StartError(f"{path}: {problem.path or '.'}: {problem.message}")
    found: dict[str, Any] = {}
    for document in reading.documents:
        others = sorted(set(document.data) - {"price_lists"})
        if others:
            raise StartError(f"{path} holds more than price_lists: {', '.join(others)}")
        found |= document.data.get("price_lists") or {}
    return found


def _written(lists: dict[str, Any]) -> str:
    """A rules document with a line for each model; JSON is YAML, too."""
    lines = [
        "# List prices in US dollars per million tokens, from vendors' own pages.",
        "price_lists:",
    ]
    for vendor, given in lists.items():
        lines += [f"  {vendor}:", f'    as_of: "{given["as_of"]}"', "    models:"]
        lines += [
            f"      {json.dumps(name)}: {json.dumps(price)}"
            for name, price in given["models"].items()
        ]
    return "\n".join(lines) + "\n"
