"""Compiles `lb_tactic: {type, params}` to a tactic, whose own model checks the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pilotfish.core.model.tactic import Tactic
from pilotfish.core.rules.compile.findings import Findings, Place, unknown
from pilotfish.core.rules.compile.validate import found
from pilotfish.core.rules.schema.rules import RuleSpec, TacticSpec

DEFAULT = "adaptive"


def default_tactic(tactics: Mapping[str, type[Tactic[Any]]]) -> Tactic[Any] | None:
    """The tactic of a rule that names none; None if `tactics` does not have it."""
    cls = tactics.get(DEFAULT)
    return cls(cls.Params()) if cls is not None else None


def compile_tactic(
    spec: RuleSpec,
    place: Place,
    tactics: Mapping[str, type[Tactic[Any]]],
    findings: Findings,
    default: Tactic[Any] | None,
) -> Tactic[Any] | None:
    """The tactic of a rule, `default` if it names none; None, with a problem, if its name or
    parameters are wrong."""
    if spec.lb_tactic is not None and spec.tactic is not None:
        findings.add(
            place.at("tactic"),
            "given beside lb_tactic, which is another word for it; give one of them",
        )
    given = spec.lb_tactic if spec.lb_tactic is not None else spec.tactic
    if given is None:
        return default
    key = "lb_tactic" if spec.lb_tactic is not None else "tactic"
    return tactic_named(given, place.at(key), tactics, findings)


def tactic_named(
    given: TacticSpec | str,
    place: Place,
    tactics: Mapping[str, type[Tactic[Any]]],
    findings: Findings,
) -> Tactic[Any] | None:
    """The tactic that `given` at `place` names; None, with a problem, if it is wrong."""
    if isinstance(given, str):
        given = TacticSpec(type=given)
    else:
        place = place.at("type")
    cls = tactics.get(given.type)
    if cls is None:
        findings.add(place, unknown("tactic", given.type, tactics))
        return None
    at = Place(place.document, place.path.removesuffix(".type"), place.removed).at("params")
    try:
        return cls(cls.Params.model_validate(given.params, strict=True))
    except ValidationError as error:
        for e in error.errors(include_url=False):
            key = str(e["loc"][0]) if e["loc"] else ""
            if e["type"] == "extra_forbidden":
                findings.add(
                    at.at(key),
                    unknown("parameter", key, cls.Params.model_fields, f"of tactic {given.type!r}"),
                )
            else:
                words = e["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
                findings.add(
                    at.at(key) if key else at,
                    f"expected {words}, found {found(e['input'])}" if key else words,
                )
    return None
