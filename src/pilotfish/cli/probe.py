"""`pilotfish probe`: tests the connection to each provider of a rules file."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.errors import RuleError, StartError
from pilotfish.settings import Settings, read_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("probe", help="test the connection to each provider")
    parser.add_argument(
        "--config",
        action="append",
        metavar="PATH",
        help="rules file or folder; may be repeated (PILOTFISH_CONFIG)",
    )
    parser.add_argument(
        "--provider", action="append", metavar="NAME", help="only this one; may be repeated"
    )
    parser.add_argument(
        "--chat", metavar="MODEL", help="ask this model for one token, which may cost"
    )
    parser.add_argument(
        "--secrets-dir", metavar="DIR", help="mounted Secrets (PILOTFISH_SECRETS_DIR)"
    )
    parser.add_argument(
        "--allow-inline-secrets",
        action="store_true",
        default=None,
        help="accept literal keys in the rules",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 all are well, 1 one is not, 2 no rules could be read."""
    flags = {
        "config": ",".join(args.config) if args.config else None,
        "secrets_dir": args.secrets_dir,
    }
    settings = read_settings({**flags, "allow_inline_secrets": args.allow_inline_secrets})
    if not settings.config:
        raise StartError("no rules file: give --config PATH or set PILOTFISH_CONFIG")
    from pilotfish.telemetry import logs

    # One line a provider is enough; what failed on the way is in its message.
    logs.set_up("error", "console")
    results = asyncio.run(_probe(_rules(settings), args.provider or [], settings, args.chat or ""))
    if args.format == "json":
        print(json.dumps(results, indent=2))
    else:
        print(_table(results))
    return 0 if all(result["ok"] for result in results) else 1


def _rules(settings: Settings) -> Snapshot:
    from pilotfish.sources.files import read_files
    from pilotfish.sources.judging import compiled

    try:
        return compiled(read_files(settings.config), settings.allow_inline_secrets)
    except RuleError as e:
        for problem in e.problems:
            print(f"{problem.source}: {problem.path or '.'}: {problem.message}", file=sys.stderr)
        count = len(e.problems)
        raise StartError(
            f"the rules are not valid: {count} problem{'' if count == 1 else 's'}"
        ) from None


async def _probe(
    snapshot: Snapshot, wanted: list[str], settings: Settings, chat: str
) -> list[dict[str, object]]:
    from pilotfish.credentials import CredentialContext, Credentials, problems_of
    from pilotfish.proxy.connection_test import ProbeResult, probe

    unknown = [name for name in wanted if name not in snapshot.providers]
    if unknown:
        raise StartError(
            f"unknown provider {unknown[0]!r}; "
            f"known: {', '.join(sorted(snapshot.providers)) or 'none'}"
        )
    chosen = [
        p for name, p in snapshot.providers.items() if (name in wanted if wanted else p.enabled)
    ]
    context = CredentialContext(secrets_dir=settings.secrets_dir, state_dir=settings.state_dir)

    # All that takes time without waiting comes first, for all of them: it is not the vendors'
    # latency.
    problems = {p.name: problems_of(p, context) for p in chosen}
    credentials = {p.name: Credentials(p, context) for p in chosen if not problems[p.name]}

    async def one(provider: Provider) -> ProbeResult:
        if problems[provider.name]:
            return ProbeResult(
                provider.name, False, "authentication", None, 0, "; ".join(problems[provider.name])
            )
        if chat and provider.models is not None and chat not in provider.models:
            message = f"not tested: {chat!r} is not in its models"
            return ProbeResult(provider.name, True, "unsupported", None, 0, message)
        keys = credentials[provider.name]
        try:
            return await probe(provider, keys.keys, context.fetcher, chat=chat)
        finally:
            await keys.close()

    try:
        return [result.as_dict() for result in await asyncio.gather(*(one(p) for p in chosen))]
    finally:
        await context.fetcher.close()


def _table(results: list[dict[str, object]]) -> str:
    if not results:
        return "no providers to probe"
    head = ("provider", "ok", "stage", "status", "ms", "message")
    rows = [head]
    for result in results:
        status = "-" if result["status"] is None else str(result["status"])
        rows.append(
            (
                str(result["provider"]),
                "yes" if result["ok"] else "no",
                str(result["stage"]),
                status,
                str(result["latency_ms"]),
                str(result["message"]),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )
