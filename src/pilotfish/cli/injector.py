"""`pilotfish injector`: the admission server. Settings are environment variables (see
docs/kubernetes.md).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from pilotfish.errors import Problem, RuleError, StartError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "injector",
        help="run the admission server",
        description="Settings come from PILOTFISH_* variables.",
    )
    parser.add_argument(
        "--check",
        metavar="NAMESPACE",
        help="do not serve: make a labelled Pod there as a dry run,"
        " and see whether it gets the sidecar",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 stopped in order (or the check is good), 1 the check is not good."""
    try:
        import cryptography  # noqa: F401  said here, not in a traceback
    except ImportError as missing:
        raise StartError(
            "the injector needs the extra 'injector' (pip install 'pilotfish[injector]'): "
            f"{missing}"
        ) from None
    from pilotfish.injector.settings import read_settings, read_sidecar

    settings, sidecar = read_settings(), read_sidecar()
    if args.check:
        from pilotfish.injector.check import check

        problem = asyncio.run(check(settings.kubeconfig, args.check))
        print(
            problem or f"a labelled Pod in {args.check} gets the sidecar",
            file=sys.stderr if problem else sys.stdout,
        )
        return 1 if problem else 0
    from pilotfish.injector.app import serve
    from pilotfish.telemetry import logs

    logs.set_up(settings.log_level, "console" if sys.stderr.isatty() else "json")
    asyncio.run(serve(settings, sidecar, validate))
    return 0


def validate(source: str, configmap: dict[str, Any]) -> list[Problem]:
    """What `pilotfish check` would say of this ConfigMap by itself."""
    from pilotfish.core.rules.documents import documents_of_config_map
    from pilotfish.sources.judging import compiled

    try:
        compiled(documents_of_config_map(source, configmap), allow_inline_secrets=False)
    except RuleError as wrong:
        return wrong.problems
    return []
