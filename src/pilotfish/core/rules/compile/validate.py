"""Validates one document against the models of `core.rules.schema`, and words every problem for
users.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pilotfish.core.rules.compile.findings import Findings, Place, unknown
from pilotfish.core.rules.compile.secrets import looks_like_a_key
from pilotfish.core.rules.documents import RulesDocument
from pilotfish.core.rules.schema.document import RulesFile
from pilotfish.core.rules.yaml_text import join

# Text below these keys is never repeated in a problem, since it may be or hold a secret.
_SECRET_KEYS = frozenset(
    {"token", "tokens", "oauth_detail", "headers", "options", "proxy_url", "api_base"}
)
_WORDS = {
    "string": "text", "float": "a number", "int": "a whole number", "bool": "true or false",
    "list": "a list", "dict": "an object", "model": "an object", "model_attributes": "an object",
}  # fmt: skip
_BOUNDS = {
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
}
_BOUND_WORDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
_NAME_FORMS = {
    "ProviderName": "a name of printable ASCII without '/'",
    "StateFileName": "the name of a file below PILOTFISH_STATE_DIR, such as races.json",
    "ScenarioName": "a name of letters, digits, '_', '-' and '.', with a letter first",
}

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """A validated document. If it had problems, the wrong parts are left out of `spec`, and
    `indices` maps the path of each list that lost entries to the original numbers of the others.
    """

    place: Place
    spec: RulesFile
    indices: dict[str, list[int]]

    def at(self, *keys: str | int) -> Place:
        """The place in the original document of an entry, given by its index in `spec`."""
        place = self.place
        for key in keys:
            kept = self.indices.get(place.path) if isinstance(key, int) else None
            place = place.at(kept[key] if kept and isinstance(key, int) else key)
        return place


def check(document: RulesDocument, findings: Findings) -> Checked:
    """Validates a document, reports every problem, and goes on without the wrong parts, so that a
    wrong weight does not hide an unknown provider.
    """
    place = Place(document)
    tool = _foreign(document.data)
    if tool:
        findings.add(place, f"this is a configuration of {tool}, not rules; see `pilotfish import`")
        return Checked(place, RulesFile(), {})
    try:
        return Checked(place, RulesFile.model_validate(document.data), {})
    except ValidationError as error:
        errors = error.errors(include_url=False)
    for loc, group in _by_loc(errors, document.data).items():
        if group[0]["type"] == "extra_forbidden" and looks_like_a_key(str(loc[-1])):
            # `token: {sk-...}` is an object with that key
            message = f"unknown key; known: {', '.join(sorted(_fields(loc[:-1])))}"
            findings.add(place.at(*loc[:-1]), f"{message}. What stands here may be a secret")
            continue
        path = _path(loc)
        findings.add(place.at(*loc) if path else place, _message(loc, group))
    return _without(document, errors)


def _foreign(data: Mapping[str, Any]) -> str:
    """Whose configuration a document is, by keys that no rules have; empty for rules."""
    if not data.keys().isdisjoint(("model_list", "litellm_settings", "router_settings")):
        return "LiteLLM"
    if "providers_v2" in data or isinstance(data.get("providers"), list):
        return "tingly-box"
    return ""


def _without(document: RulesDocument, errors: Sequence[ErrorDetails]) -> Checked:
    """The document without its wrong parts. Removing a part may cause further errors; they are not
    reported.
    """
    data = copy.deepcopy(document.data)
    numbered = _Numbered()
    removed: set[str] = set()
    while True:
        for loc in sorted(_culprits(errors, data), key=_last_first):
            removed.add(_path(numbered.original(loc)))
            numbered.remove(data, loc)
        try:
            spec = RulesFile.model_validate(data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            continue
        return Checked(Place(document, "", frozenset(removed)), spec, numbered.kept)


class _Numbered:
    """Removes entries from data, and keeps for each list the original numbers of those left."""

    def __init__(self) -> None:
        self.kept: dict[str, list[int]] = {}

    def original(self, loc: Loc) -> Loc:
        out: list[str | int] = []
        for key in loc:
            kept = self.kept.get(_path(tuple(out))) if isinstance(key, int) else None
            out.append(kept[key] if kept and isinstance(key, int) else key)
        return tuple(out)

    def remove(self, data: Any, loc: Loc) -> None:
        *way, last = loc
        for key in way:
            data = data[key]
        if isinstance(last, int):
            self.kept.setdefault(_path(self.original(tuple(way))), list(range(len(data)))).pop(last)
        del data[last]


def _culprits(errors: Sequence[ErrorDetails], data: Any) -> set[Loc]:
    """What to remove: each wrong value, or the object in which a key is missing; of nested ones the
    outermost only.
    """
    found = {
        loc if group[0]["type"] != "missing" else loc[:-1]
        for loc, group in _by_loc(errors, data).items()
    }
    return {loc for loc in found if not any(loc[:n] in found for n in range(len(loc)))}


def _last_first(loc: Loc) -> tuple[int, int]:
    """Sort key for removal: inner values before outer ones, and later entries of a list before
    earlier ones, so that the numbers of those still to be removed stay valid.
    """
    return (-len(loc), -loc[-1] if isinstance(loc[-1], int) else 0)


def _by_loc(errors: Sequence[ErrorDetails], data: Any) -> dict[Loc, list[ErrorDetails]]:
    """The errors by their path in the document. Steps that pydantic adds (union arms, "[key]") are
    left out.
    """
    found: dict[Loc, list[ErrorDetails]] = {}
    for error in errors:
        here: Any = data
        loc: list[str | int] = []
        for i, key in enumerate(error["loc"]):
            inside = (
                range(len(here))
                if isinstance(here, list)
                else here
                if isinstance(here, dict)
                else ()
            )
            if key in inside:
                here = here[key]
            elif error["type"] != "missing" or i < len(error["loc"]) - 1:
                continue
            loc.append(key)
        found.setdefault(tuple(loc), []).append(error)
    return found


def _path(loc: Loc) -> str:
    path = ""
    for key in loc:
        path = join(path, key)
    return path


def _message(loc: Loc, errors: list[ErrorDetails]) -> str:
    error = errors[0]
    kind = error["type"]
    secret = any(key in _SECRET_KEYS for key in loc)
    if kind == "extra_forbidden":
        return unknown("key", str(loc[-1]), _fields(loc[:-1]))
    if kind == "missing":
        return f"missing; expected {_expected_field(loc)}"
    if error["loc"][-1] == "[key]":
        return f"expected {_name_form(loc)}, found {str(loc[-1])[:100]!r}"
    expected = " or ".join(dict.fromkeys(_expected(e, loc) for e in errors))
    hint = (
        "; put it in quotes"
        if expected == "text" and type(error["input"]) in (int, float, bool)
        else ""
    )
    return f"expected {expected}, found {found(error['input'], secret=secret)}{hint}"


def _expected(error: ErrorDetails, loc: Loc) -> str:
    kind, ctx = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        short = _BOUNDS[kind]
        return f"{_BOUND_WORDS[short]} {ctx[short]:g}"
    if kind == "literal_error":
        return str(ctx["expected"])
    if kind == "string_pattern_mismatch":
        return _name_form(loc)
    if kind == "string_too_short":
        return (
            "text that is not empty"
            if ctx["min_length"] == 1
            else f"at least {ctx['min_length']} characters"
        )
    if kind == "string_too_long":
        return f"at most {ctx['max_length']} characters"
    if kind == "too_short":
        return f"at least {ctx['min_length']} {'entry' if ctx['min_length'] == 1 else 'entries'}"
    if kind == "model_type" and any(
        key in ("token", "tokens", "access_token", "refresh_token") for key in loc
    ):
        return "{env: NAME}, {file: PATH} or {secret: {name: NAME, key: KEY}}"
    if kind == "finite_number":
        return "a finite number"
    return _WORDS.get(kind.removesuffix("_type"), error["msg"])


def found(value: object, *, secret: bool = False) -> str:
    """A value in words for a problem. `secret`: it may be one, so it is not repeated."""
    if value is None:
        return "nothing"
    if isinstance(value, bool) and not secret:
        return str(value).lower()
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if secret:
        return "text" if isinstance(value, str) else "a number"
    return repr(value) if len(repr(value)) < 100 else f"{repr(value)[:80]}... (cut)"


def _name_form(loc: Loc) -> str:
    if loc and loc[0] == "providers" and len(loc) == 2:
        return _NAME_FORMS["ProviderName"]
    if loc and (loc[0] == "scenarios" or loc[-1] == "scenario"):
        return _NAME_FORMS["ScenarioName"]
    if loc and loc[-1] == "performance_file":
        return _NAME_FORMS["StateFileName"]
    return "a name of printable ASCII"


def _annotation(loc: Loc) -> Any:
    """The annotation of the models at a place."""
    here: Any = RulesFile
    for key in loc:
        here = _container(here)
        if get_origin(here) is list:
            here = get_args(here)[0]
        elif get_origin(here) is dict:
            here = get_args(here)[1]
        else:
            here = here.model_fields[str(key)].annotation
    return here


def _container(annotation: Any) -> Any:
    """The arm of an annotation that is a container: the list of `list[X] | None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _container(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        arms = [_container(a) for a in get_args(annotation)]
        return next(
            (
                a
                for a in arms
                if get_origin(a) in (list, dict)
                or (isinstance(a, type) and issubclass(a, BaseModel))
            ),
            arms[0],
        )
    return annotation


def _fields(loc: Loc) -> list[str]:
    model = _container(_annotation(loc)) if loc else RulesFile
    return (
        list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
    )


def _expected_field(loc: Loc) -> str:
    inner = _container(_annotation(loc))
    return _WORDS.get(
        {str: "string", int: "int", float: "float", bool: "bool"}.get(inner, ""),
        "a list" if get_origin(inner) is list else "an object",
    )
