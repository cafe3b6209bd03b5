"""Injection into manifests as people write them: any file that holds Pods, in a template or by
themselves.

Documents that hold no Pod come out byte for byte; a document that gets the sidecar is written anew
(its comments are lost, its values are not: they are read as Kubernetes reads them, so a date or
`12:30` stays text).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from pilotfish.core.rules.yaml_text import TextError, check_depth
from pilotfish.injector.patch.pod import inject
from pilotfish.injector.patch.settings import Injected, PodContext, Sidecar, Skipped

# Where each kind keeps its Pod.
_POD_AT: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"),
        ("spec", "template"),
    ),
}
MESSAGE_CHARACTERS = 500
_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class InjectionReport:
    """What became of one object: `Deployment default/web`, and what is to be said of it."""

    what: str
    result: Injected | Skipped


class UnreadableManifest(ValueError):
    """The text is not YAML (or JSON); the message says where."""


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: no dates, no base-60 numbers, `yes` and `on` are text, but
    `0644` is octal (rules files know none).
    """


# What aliases and merges of one document may unfold to.
MAX_VALUES = 500_000

_Loader.yaml_implicit_resolvers = {}
for _tag, _form, _starts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0x[0-9a-fA-F]+)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_form})\Z"), _starts
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless)


def inject_manifest(
    text: str, sidecar: Sidecar, around: PodContext
) -> tuple[str, list[InjectionReport]]:
    """The manifest with the sidecar in every Pod that may have it, and what is to be said of each.
    Raises `UnreadableManifest`.
    """
    if text.lstrip().startswith("{"):
        document = _load(text)
        told = list(_injected(document, sidecar, around))
        changed = any(isinstance(t.result, Injected) for t in told)
        return (
            json.dumps(document, indent=2, ensure_ascii=False) + "\n" if changed else text
        ), told
    everything: list[InjectionReport] = []
    pieces = []
    for piece in _documents(text):
        document = _load(piece.removeprefix("---"))
        told = list(_injected(document, sidecar, around))
        everything += told
        if any(isinstance(t.result, Injected) for t in told):
            start = "---\n" if piece.startswith("---") else ""
            piece = start + yaml.dump(
                document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20
            )
        pieces.append(piece)
    return "".join(pieces), everything


def _documents(text: str) -> Iterator[str]:
    """The pieces of a multi-document file, each with the separator it begins with."""
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end]


def _load(text: str) -> Any:
    try:
        check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _unfolded(node, {}) > MAX_VALUES:
                raise UnreadableManifest(f"more than {MAX_VALUES} values once aliases are unfolded")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except TextError as wrong:
        raise UnreadableManifest(wrong.message) from wrong
    except (yaml.YAMLError, ValueError) as wrong:
        raise UnreadableManifest(" ".join(str(wrong).split())[:MESSAGE_CHARACTERS]) from wrong


def _unfolded(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node holds once its aliases stand for what they name. `known`: of nodes
    looked at already; None while one is being looked at. Raises UnreadableManifest.
    """
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise UnreadableManifest("an anchor holds an alias of itself")
        return size
    known[id(node)] = None
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_unfolded(item, known) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_unfolded(part, known) for pair in node.value for part in pair)
    known[id(node)] = size
    return size


def _injected(document: Any, sidecar: Sidecar, around: PodContext) -> Iterator[InjectionReport]:
    """Changes the document in place, object by object."""
    if not isinstance(document, dict):
        return
    kind = str(document.get("kind"))
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _injected(item, sidecar, around)
    elif kind in _POD_AT:
        path = _POD_AT[kind]
        pod, put = _pod_in(document, path)
        if pod is None:
            return
        metadata = document.get("metadata") if isinstance(document.get("metadata"), dict) else {}
        namespace = str((metadata or {}).get("namespace") or around.namespace)
        result = inject(pod, sidecar, replace(around, namespace=namespace))
        if isinstance(result, Injected):
            put(result.pod)
        name = str((metadata or {}).get("name") or (metadata or {}).get("generateName") or "?")
        yield InjectionReport(
            f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}", result
        )


def _pod_in(
    document: dict[str, Any], path: tuple[str, ...]
) -> tuple[dict[str, Any] | None, Callable[[Mapping[str, Any]], None]]:
    """The Pod (or template), and how to put another in its place."""
    holder: Any = document
    for step in path:
        holder = holder.get(step) if isinstance(holder, dict) else None
    if not isinstance(holder, dict):
        return None, lambda _: None

    def put(pod: Mapping[str, Any]) -> None:
        holder.clear()
        holder.update(pod)

    return holder, put
