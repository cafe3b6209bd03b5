"""YAML and JSON text -> plain data with JSON's types only.

YAML 1.1, which PyYAML implements, reads `12:30` as a number, `2024-10-21` as a date and `no` as a
boolean; here all three are text. Values are built from libyaml's node graph and not by PyYAML's
constructors, since nodes have line numbers and keep duplicate keys.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import yaml

# Limits against hostile or broken input. A ConfigMap holds at most 1 MiB. The number of values
# bounds what aliases expand to: ten lines of them could fill the memory.
MAX_CHARACTERS = 8 * 1024 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 64

_PREFIX = "tag:yaml.org,2002:"
_INT, _FLOAT, _BOOL, _NULL, _STR, _MERGE = (
    _PREFIX + t for t in ("int", "float", "bool", "null", "str", "merge")
)


class _Loader(yaml.CSafeLoader):
    """libyaml's parser with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers = {}


_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    _INT, re.compile(r"^[-+]?(?:0|[1-9][0-9]{0,300})$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])


class TextError(Exception):
    """Text that cannot be read. `path`: the place inside, empty for the text as a whole."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path, self.message = path, message


@dataclass(frozen=True, slots=True)
class Parsed:
    """One document of a text. `lines`: path -> the line (from 1) at which its value begins; empty
    for JSON.
    """

    data: Any
    lines: dict[str, int]


def parse(text: str, *, is_json: bool = False) -> list[Parsed]:
    """All documents of a text, empty ones left out. Raises `TextError`."""
    if len(text) > MAX_CHARACTERS:
        raise TextError("", f"{len(text)} characters; at most {MAX_CHARACTERS} are read")
    if not _is_unicode(text):
        raise TextError("", "not Unicode text: a lone surrogate is in it")
    text = text.removeprefix("\ufeff")
    if is_json or text.lstrip()[:1] in ("{", "["):
        try:
            data = _json(text)
            return [] if data is None else [Parsed(data, {})]
        except json.JSONDecodeError as error:
            if is_json:
                raise TextError(
                    "", f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
                ) from None
        except RecursionError:
            raise TextError("", f"nested deeper than {MAX_DEPTH} levels") from None
    return _yaml(text)


def _json(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = next(name for name, count in counts.items() if count > 1)
            raise TextError("", f"key {twice!r} is given twice in one object")
        return data

    def refuse(word: str) -> Any:
        raise TextError("", f"{word} is not a number of JSON")

    if not text.strip():
        return None
    data = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    _look_through(data, "", 0)
    return data


def _look_through(value: Any, path: str, depth: int) -> None:
    """Checks what `json.loads` does not: nesting depth, and lone surrogates written as escapes.
    Raises `TextError`.
    """
    if depth > MAX_DEPTH:
        raise TextError(path, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str) and not _is_unicode(value):
        raise TextError(path, "not Unicode text: a lone surrogate is in it")
    if isinstance(value, dict):
        for key, item in value.items():
            _look_through(key, path, depth)
            _look_through(item, join(path, key), depth + 1)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _look_through(item, join(path, i), depth + 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _yaml(text: str) -> list[Parsed]:
    documents = []
    try:
        check_depth(text)
        loader = _Loader(text)
        try:
            while loader.check_node():
                node, reader = loader.get_node(), _Reader()
                assert node is not None
                documents.append(Parsed(reader.value(node, "", 0), reader.lines))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        if mark and _has_tab(text, mark.line):
            message = f"line {mark.line + 1} is indented with a tab, and YAML takes spaces only"
            raise TextError("", f"not YAML: {message}") from None
        raise TextError("", f"not YAML: {error.problem or error.context}{where}") from None
    except yaml.YAMLError as error:
        raise TextError("", f"not YAML: {' '.join(str(error).split())}") from None
    return [d for d in documents if d.data is not None]


def _has_tab(text: str, line: int) -> bool:
    """Whether a line (from 0) is indented with a tab."""
    given = text.splitlines()[line : line + 1]
    return any("\t" in one[: len(one) - len(one.lstrip())] for one in given)


def check_depth(text: str) -> None:
    """Checks the depth of YAML on the stream of its events. libyaml's composer recurses in C, where
    a deep document would crash the process. Raises `TextError`.
    """
    loader, depth = _Loader(text), 0
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise TextError("", f"nested deeper than {MAX_DEPTH} levels")
    finally:
        loader.dispose()


def join(path: str, key: str | int) -> str:
    """A path with one more step: `rules`, `rules[0]`, `rules[0].name`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


class _Reader:
    """Builds the value of a document's node graph. Aliases are expanded at each place, up to
    `MAX_VALUES` values in all.
    """

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._count = 0

    def value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._count += 1
        if self._count > MAX_VALUES:
            raise TextError(path, f"more than {MAX_VALUES} values once aliases are unfolded")
        if depth > MAX_DEPTH:
            raise TextError(path, f"nested deeper than {MAX_DEPTH} levels")
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, join(path, i), depth + 1) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                self._merge(merged, value_node, path, depth)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise TextError(path, f"a key in line {line} is a list or an object; expected text")
            key = key_node.value
            if key in seen:
                raise TextError(
                    join(path, key), f"key {key!r} is given twice, in lines {seen[key]} and {line}"
                )
            seen[key] = line
            data[key] = self.value(value_node, join(path, key), depth + 1)
            self.lines[join(path, key)] = line
        return {**merged, **data}

    def _merge(self, into: dict[str, Any], node: yaml.Node, path: str, depth: int) -> None:
        """Merges the object of `<<: *anchor`, or of a list of anchors, into `into`. As in YAML an
        earlier one wins.
        """
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            found = self.value(source, path, depth + 1)
            if not isinstance(found, dict):
                raise TextError(
                    path, f"'<<' in line {node.start_mark.line + 1} needs an object to merge"
                )
            for key, value in found.items():
                into.setdefault(key, value)

    def _scalar(self, node: yaml.Node, path: str) -> Any:
        text: str = node.value
        match node.tag:
            case "tag:yaml.org,2002:str":
                return text
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:bool":
                return text.lower() == "true"
            case "tag:yaml.org,2002:int":
                return int(text)
            case "tag:yaml.org,2002:float":
                return float(text)
        raise TextError(
            path,
            (
                f"tag {node.tag.replace(_PREFIX, '!!')!r} in line {node.start_mark.line + 1}; only "
                "plain values are read"
            ),
        )
