"""Which provider takes a request that is passed on, and with which of its credentials."""

from __future__ import annotations

from typing import NamedTuple

from pilotfish.core.exchange.endpoints import scenario_of_style
from pilotfish.core.exchange.families import PassedPath
from pilotfish.core.exchange.request_url import passed_target
from pilotfish.core.model.service import Provider
from pilotfish.core.model.snapshot import Snapshot
from pilotfish.core.state.holders import Holder
from pilotfish.errors import ClientError


class Destination(NamedTuple):
    """Where a request goes. `target`: path and query of the call. `key`: the credential that it
    must go with, None for any.
    """

    provider: Provider
    target: str
    key: int | None


# Operations in a form of the model's own, which nothing here reads: where no rule takes such a
# request it is passed on like files and batches.
OWN_FORMS = frozenset({"invoke", "raw_predict", "predict"})


def own_form_provider(snapshot: Snapshot, scenario: str, style: str, op: str) -> Provider | None:
    """Who takes a request in a form of its model's own that no rule takes: whom `passthrough`
    names, else the only provider that has such a path. None where that cannot be told.
    """
    if op not in OWN_FORMS:
        return None
    named = snapshot.passthrough.get(scenario) or snapshot.passthrough.get(style)
    able = [
        provider
        for provider in snapshot.providers.values()
        if provider.enabled and op in provider.paths and named in (None, provider.name)
    ]
    return able[0] if len(able) == 1 else None


def passed_to(
    snapshot: Snapshot, asked: PassedPath, query: str, holder: Holder | None, path: str
) -> Destination:
    """Where a request goes: to who holds the state that it names, else to whom the rules say, else
    to the only provider that has such paths. Raises ClientError where that cannot be told, or where
    the holder is not there any more. `query` is without the client's keys.
    """
    if holder is not None:
        provider = held_by(snapshot, holder)
        target = passed_target(provider, asked.root, asked.rest, query)
        if target is not None:
            return Destination(provider, target, key_of(provider, holder))
    provider = _configured(snapshot, asked, path) or _only(snapshot, asked, path)
    target = passed_target(provider, asked.root, asked.rest, query)
    if target is None:
        message = f"provider {provider.name!r}, which `passthrough` names, has no path {path}"
        raise ClientError(404, "unknown_path", message)
    return Destination(provider, target, None)


def held_by(snapshot: Snapshot, holder: Holder) -> Provider:
    """The provider that holds something. Raises ClientError (503) where the rules have it no longer:
    nobody else could answer.
    """
    provider = snapshot.providers.get(holder.provider)
    if provider is None or not provider.enabled:
        state = "is disabled" if provider is not None else "is not in the rules any more"
        message = f"what this request names is held by provider {holder.provider!r}, which {state}"
        raise ClientError(503, "holder_away", message)
    return provider


def key_of(provider: Provider, holder: Holder) -> int | None:
    """The credential that holds something, by its number; None where the provider has only one, or
    no longer has that one.
    """
    if len(provider.tokens) < 2:
        return None
    labels = [str(ref) for ref in provider.tokens]
    return labels.index(holder.key) if holder.key in labels else None


def holder_of(provider: Provider, key: int) -> Holder:
    """Who holds what a call with this credential made."""
    several = len(provider.tokens) > 1 and key < len(provider.tokens)
    return Holder(provider.name, str(provider.tokens[key]) if several else "")


def _configured(snapshot: Snapshot, asked: PassedPath, path: str) -> Provider | None:
    names = snapshot.passthrough
    name = names.get(asked.scenario or "") or names.get(asked.style)
    if name is None:
        return None
    provider = snapshot.providers[name]
    if not provider.enabled:
        message = f"provider {name!r}, which `passthrough` names for {path}, is disabled"
        raise ClientError(503, "holder_away", message)
    return provider


def _only(snapshot: Snapshot, asked: PassedPath, path: str) -> Provider:
    able = [
        provider
        for provider in snapshot.providers.values()
        if provider.enabled
        and asked.style in (provider.kind.style, scenario_of_style(provider.style))
        and passed_target(provider, asked.root, asked.rest, "") is not None
    ]
    if len(able) == 1:
        return able[0]
    key = asked.scenario or asked.style
    if not able:
        message = (
            f"{path} is passed on to a provider of style {asked.style!r}, and the rules have none "
            f"that could take it; add one, or name it: `passthrough: {{{key}: NAME}}`"
        )
    else:
        names = ", ".join(sorted(provider.name for provider in able))
        message = (
            f"{path} could go to any of the providers {names}; say in the rules which takes it: "
            f"`passthrough: {{{key}: NAME}}`"
        )
    raise ClientError(404, "no_provider", message)
