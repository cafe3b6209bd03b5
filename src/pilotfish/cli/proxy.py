"""`pilotfish proxy`: the sidecar, or a shared gateway."""

from __future__ import annotations

import argparse
from typing import Any

from pilotfish.settings import PREFIX, Settings, log_format, read_settings


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "proxy",
        help="run the proxy",
        description=f"Every option is also an environment variable, {PREFIX}<NAME>.",
    )
    for name, field in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        text = (
            f"{field.description} (default: {field.default!r})"
            if field.default not in ("", ())
            else field.description
        )
        if name in ("config", "configmaps"):
            parser.add_argument(
                flag,
                action="append",
                metavar="PATH" if name == "config" else "NAME",
                help=f"{text}; may be repeated",
            )
        elif field.annotation is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            parser.add_argument(flag, metavar=name.upper(), help=text)
    parser.set_defaults(run=run)


def flags_of(args: argparse.Namespace) -> dict[str, Any]:
    flags: dict[str, Any] = {name: getattr(args, name, None) for name in Settings.model_fields}
    for name in ("config", "configmaps"):
        if flags[name]:
            flags[name] = ",".join(flags[name])
    return flags


def run(args: argparse.Namespace) -> int:
    settings = read_settings(flags_of(args))
    from pilotfish.app import App
    from pilotfish.process import run_loop
    from pilotfish.telemetry import logs

    logs.set_up(settings.log_level, log_format(settings))

    async def serve() -> None:
        await App(settings).run()

    run_loop(serve, settings.event_loop)
    return 0
