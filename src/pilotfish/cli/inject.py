"""`pilotfish inject -f FILE`: the injector's work offline, a manifest in and the injected manifest
out.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilotfish.errors import StartError
from pilotfish.injector.patch.manifests import InjectionReport, UnreadableManifest, inject_manifest
from pilotfish.injector.patch.settings import Injected, PodContext, Reason, Sidecar, Skipped
from pilotfish.injector.settings import read_sidecar


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "inject",
        help="put the sidecar into manifests",
        description="Puts the sidecar into every Pod of a manifest (no label needed;"
        " pilotfish.dev/inject: disabled holds). Defaults come from PILOTFISH_SIDECAR_*.",
    )
    parser.add_argument(
        "-f", "--filename", required=True, metavar="FILE", help="the manifest; - is standard input"
    )
    parser.add_argument("--image", help="the sidecar's image")
    parser.add_argument(
        "--mode",
        choices=("native", "classic"),
        help="native sidecars need Kubernetes 1.29 (default: native)",
    )
    parser.add_argument("--configmaps", metavar="NAME,...", help="ConfigMaps with the rules")
    parser.add_argument("--secrets", metavar="NAME,...", help="Secrets to mount into the sidecar")
    parser.add_argument(
        "--namespace", "-n", default="", help="the namespace of objects that name none"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 done, whether there was a Pod or not; 2 (`StartError`) for what cannot be read."""
    sidecar = _sidecar(args)
    around = PodContext(
        namespace=args.namespace, native=sidecar.mode != "classic", label_needed=False
    )
    try:
        text, told = inject_manifest(_read(args.filename), sidecar, around)
    except UnreadableManifest as wrong:
        raise StartError(f"{args.filename}: not a manifest: {wrong}") from None
    sys.stdout.write(text)
    for line in _lines(told):
        print(line, file=sys.stderr)
    return 0


def _sidecar(args: argparse.Namespace) -> Sidecar:
    given: dict[str, Any] = {"image": args.image, "mode": args.mode}
    for name in ("configmaps", "secrets"):
        names = getattr(args, name)
        given[name] = (
            tuple(part.strip() for part in names.split(",") if part.strip()) if names else None
        )
    return replace(
        read_sidecar(),
        **{name: value for name, value in given.items() if value is not None},
    )


def _read(filename: str) -> str:
    try:
        return sys.stdin.read() if filename == "-" else Path(filename).read_text()
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "not UTF-8"
        raise StartError(f"{filename}: cannot be read: {reason}") from None


def _lines(told: list[InjectionReport]) -> list[str]:
    lines = [] if told else ["no Pod and no Pod template in this manifest: nothing to inject"]
    for one in told:
        match one.result:
            case Injected(mode=mode, warnings=warnings):
                lines.append(f"{one.what}: injected ({mode})")
            case Skipped(reason=reason, detail=detail, warnings=warnings):
                quiet = "left as it is" if reason is Reason.ALREADY_INJECTED else "skipped"
                lines.append(f"{one.what}: {quiet} ({reason.value}): {detail}")
        lines += [f"{one.what}: warning: {warning}" for warning in warnings]
    return lines
