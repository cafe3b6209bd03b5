"""Compiles `request` of services and providers."""

from __future__ import annotations

from typing import Any

from pilotfish.core.formats.neutral import ThinkingConfig
from pilotfish.core.model.request_settings import RequestSettings
from pilotfish.core.rules.compile.findings import Findings, Place
from pilotfish.core.rules.schema.request import ParametersSpec, RequestSpec, ThinkingSpec

# What the proxy itself decides, or what is the client's own.
_NOT_EXTRA = ("model", "stream", "messages", "input", "contents")


def request_settings(
    spec: RequestSpec | None, place: Place, findings: Findings
) -> RequestSettings | None:
    """The record of one `request`; None where it sets nothing."""
    if spec is None:
        return None
    for name in _NOT_EXTRA:
        if name in spec.extra_body:
            findings.add(
                place.at("extra_body", name),
                f"{name!r} is the request's own; expected fields that the rules may set",
            )
    settings = RequestSettings(
        defaults=_parameters(spec.defaults),
        overrides=_parameters(spec.overrides),
        system_prompt=spec.system_prompt or "",
        thinking=_thinking(spec.thinking) if spec.thinking is not None else None,
        extra_body=dict(spec.extra_body),
    )
    return None if settings == RequestSettings() else settings


def merged(
    of_provider: RequestSettings | None, own: RequestSettings | None
) -> RequestSettings | None:
    """The settings of a service: its own, key by key, over its provider's."""
    if of_provider is None or own is None:
        return own or of_provider
    return RequestSettings(
        defaults={**of_provider.defaults, **own.defaults},
        overrides={**of_provider.overrides, **own.overrides},
        system_prompt=own.system_prompt or of_provider.system_prompt,
        thinking=own.thinking or of_provider.thinking,
        extra_body={**of_provider.extra_body, **own.extra_body},
    )


def _parameters(spec: ParametersSpec) -> dict[str, Any]:
    given = spec.model_dump(exclude_none=True)
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}


def _thinking(spec: ThinkingSpec) -> ThinkingConfig:
    return ThinkingConfig(
        enabled=spec.enabled is not False and spec.budget_tokens != 0 and spec.effort != "none",
        effort=spec.effort or "",
        budget=spec.budget_tokens,
    )
