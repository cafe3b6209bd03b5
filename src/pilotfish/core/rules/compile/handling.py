"""Compiles what rules and `defaults` say alike: numbers, affinity, races, hedges, and how requests
are handled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from pilotfish.core.model.snapshot import Affinity, Hedge, Race, Rule
from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.compile.findings import Findings, Place
from pilotfish.core.rules.compile.merge import Merged
from pilotfish.core.rules.compile.tactics import default_tactic, tactic_named
from pilotfish.core.rules.schema.rules import AffinitySpec, HedgeSpec, RaceSpec, VirtualModelSpec

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Keys whose name or unit differs from the record's field: key -> (field, units of the file per unit
# of the record).
_UNITS = {
    "base_ms": ("base_s", 1000.0),
    "max_ms": ("max_s", 1000.0),
    "recovery_timeout_seconds": ("recovery_timeout_s", 1.0),
    "timeout_ms": ("timeout_s", 1000.0),
    "grace_period_ms": ("grace_s", 1000.0),
}
NUMBERS = ("timeouts", "retries", "health", "cooldown", "credential_cooldown")


HANDLING = {"fallback_on", "on_stream_break", "buffer", "queue_ms", "unsupported"}


class _Dumps(Protocol):
    def model_dump(
        self, *, exclude_none: bool, include: set[str] | None = None
    ) -> dict[str, Any]: ...


def overridden(record: Any, given: Mapping[str, Any]) -> Any:
    """A record with the numbers that a document gives, converted to the record's units."""
    values = {}
    for key, number in given.items():
        if key == "probe_enabled":
            if not number:
                values["probe"] = "none"
            continue
        field, per_unit = _UNITS.get(key, (key, None))
        values[field] = number / per_unit if per_unit else number
    return replace(record, **values)


def given(spec: _Dumps, keys: set[str] | None = None) -> dict[str, Any]:
    """What stands in the document, of these `keys` or all."""
    return spec.model_dump(exclude_none=True, include=keys)


def handled(base: Rule, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule that say how its requests are handled: those of `base` but for what is
    `given`, by the keys of the document."""
    queue_ms = given.get("queue_ms")
    fallback_on = given.get("fallback_on")
    return {
        "fallback_on": base.fallback_on if fallback_on is None else frozenset(fallback_on),
        "on_stream_break": given.get("on_stream_break", base.on_stream_break),
        "buffer": given.get("buffer", base.buffer),
        "queue_s": base.queue_s if queue_ms is None else queue_ms / 1000,
        "unsupported": given.get("unsupported", base.unsupported),
    }


class Defaults:
    """`defaults` of all documents. `rule`: a rule without a name that has them; `race`: the numbers
    of races, which start none."""

    def __init__(
        self, merged: Merged, tactics: Mapping[str, type[Tactic[Any]]], findings: Findings
    ) -> None:
        bare = Rule(name="")
        numbers = {
            section: overridden(getattr(bare, section), merged.defaults.get(section, {}))
            for section in NUMBERS
        }
        places = {key: place for key, (place, _) in merged.for_all.items()}
        values = {key: value for key, (_, value) in merged.for_all.items()}
        tactic = default_tactic(tactics)
        if "lb_tactic" in values:
            tactic = tactic_named(values["lb_tactic"], places["lb_tactic"], tactics, findings)
        affinity, hedge = values.get("affinity"), values.get("hedge")
        how = handled(bare, values)
        if "on_stream_break" in places:
            check_break(how, places["on_stream_break"], findings)
        self.rule = replace(
            bare,
            tactic=tactic,
            affinity=affinity and affinity_of(affinity, places["affinity"], findings),
            hedge=hedge and hedge_of(hedge),
            **numbers,
            **how,
        )
        self.race: Race = overridden(Race(), merged.defaults.get("race", {}))


def check_break(how: Mapping[str, Any], place: Place, findings: Findings) -> None:
    """A problem at `place`, if what is to happen when a stream breaks cannot be. `how`: what
    `handled` gives."""
    if how["on_stream_break"] == "restart" and not how["buffer"]:
        findings.add(
            place,
            "'restart' needs buffer: true, since nothing may have been sent when another service "
            "starts anew",
        )


def affinity_of(spec: AffinitySpec, place: Place, findings: Findings) -> Affinity:
    """The record of `affinity` at `place`."""
    if spec.by == "header":
        if spec.header is None:
            findings.absent(place.at("header"), "missing; by: header needs the header's name")
        elif not _HEADER_NAME.fullmatch(spec.header):
            findings.add(
                place.at("header"), f"expected a header's name, found {spec.header[:100]!r}"
            )
    elif spec.header is not None:
        findings.add(place.at("header"), f"means nothing with by: {spec.by}; expected by: header")
    return Affinity(by=spec.by, header=(spec.header or "").lower(), ttl_s=spec.ttl_s)


def race_of(spec: RaceSpec, base: Race) -> Race:
    """The record of a rule's race."""
    found: Race = overridden(base, given(spec))
    return found


def virtual_race_of(spec: VirtualModelSpec, base: Race) -> Race:
    """The record of a virtual model's race, in which all its services run."""
    keys = {"strategy", "timeout_ms", "grace_period_ms", "performance_file"}
    found: Race = overridden(base, given(spec, keys))
    return replace(found, max_parallel=len(spec.providers))


def hedge_of(spec: HedgeSpec) -> Hedge:
    """The record of `hedge`."""
    after = spec.after
    if isinstance(after, str):
        return Hedge(None, int(after[1:]) / 100, spec.min_ms / 1000, spec.budget_percent)
    return Hedge(after_s=after / 1000, min_s=spec.min_ms / 1000, budget_percent=spec.budget_percent)
