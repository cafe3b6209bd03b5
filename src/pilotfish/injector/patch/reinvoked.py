"""A Pod that has our sidecar already, seen again after another webhook changed it
(`reinvocationPolicy: IfNeeded`): what that took away is put back, what it collides with moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotfish.injector.patch.edits import Edits
from pilotfish.injector.patch.environment import superseded_keys
from pilotfish.injector.patch.ports import declared_ports, next_free
from pilotfish.injector.patch.settings import CONTAINER, PREFIX, STATUS, Injected

# By the name in the status: the annotation that asks for the port, and the proxy's own setting.
_PORTS = {
    "port": ("port", "PILOTFISH_LISTEN"),
    "admin_port": ("admin-port", "PILOTFISH_ADMIN_LISTEN"),
}


@dataclass(frozen=True, slots=True)
class _Own:
    """Where our container stands, and what we wrote about it."""

    kind: str
    index: int
    container: Mapping[str, Any]
    status: dict[str, Any]


def repaired_pod(pod: dict[str, Any], namespace_annotations: Mapping[str, str]) -> Injected | None:
    """None where there is no sidecar of ours, or nothing to repair."""
    own = _own(pod)
    if own is None:
        return None
    edits, warnings = Edits(pod), list[str]()
    if (
        own.kind == "initContainers"
        and not own.container.get("restartPolicy")
        and own.status.get("mode") == "native"
    ):
        # The API server would refuse the Pod for probes on an ordinary init container, or the Pod
        # would wait for ever for the proxy to finish.
        edits.set(("spec", own.kind, own.index, "restartPolicy"), "Always")
        warnings.append(
            f"another webhook dropped restartPolicy from init container {CONTAINER};"
            f" it is put back ({PREFIX}mode: classic avoids this)"
        )
    warnings += _move_ports(pod, own, edits, namespace_annotations)
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(edits.get(("spec", kind)) or ()):
            for place in superseded_keys(container):
                edits.remove(("spec", kind, index, "env", place))
    if not edits.operations and not warnings:
        return None
    mode = str(own.status.get("mode") or "classic")
    return Injected(edits.document, edits.operations, mode, tuple(warnings), is_repair=True)


def _own(pod: Mapping[str, Any]) -> _Own | None:
    text = ((pod.get("metadata") or {}).get("annotations") or {}).get(STATUS)
    try:
        status = json.loads(text) if text else None
    except (ValueError, TypeError):
        return None  # not written by us
    if not isinstance(status, dict):
        return None
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(pod["spec"].get(kind) or ()):
            if container.get("name") == CONTAINER:
                return _Own(kind, index, container, status)
    return None


def _move_ports(
    pod: Mapping[str, Any], own: _Own, edits: Edits, namespace_annotations: Mapping[str, str]
) -> list[str]:
    """Makes way for ports that containers which came after us declare. Says so, once for each."""
    declared = declared_ports(pod["spec"])
    annotations = {**namespace_annotations, **(pod["metadata"].get("annotations") or {})}
    ports = {name: own.status[name] for name in _PORTS if isinstance(own.status.get(name), int)}
    warnings = []
    for name, (annotation, setting) in _PORTS.items():
        port = ports.get(name)
        if port is None or port not in declared:
            continue
        taken = f"port {port} is declared by container {declared[port]}, which came after the"
        if PREFIX + annotation in annotations:
            warnings.append(
                f"{taken} sidecar and will not get it: {PREFIX}{annotation} asks for it"
            )
            continue
        new = next_free(port, {*declared, *ports.values()})
        if new is None:
            warnings.append(f"{taken} sidecar and will not get it: no other port is free")
            continue
        ports[name] = new
        _set_env(edits, own, setting, str(port), str(new))
        if name == "port":
            _lead_to(edits, own.status, port, new)
        else:
            _set_admin_port(edits, own, port, new)
        warnings.append(f"{taken} sidecar; the sidecar uses {new} instead")
    if ports != {name: own.status.get(name) for name in ports}:
        status = json.dumps({**own.status, **ports}, separators=(",", ":"))
        edits.set(("metadata", "annotations", STATUS), status)
    return warnings


def _set_env(edits: Edits, own: _Own, setting: str, old: str, new: str) -> None:
    for index, entry in enumerate(own.container.get("env") or ()):
        if entry.get("name") == setting:
            value = str(entry.get("value")).removesuffix(old) + new
            edits.set(("spec", own.kind, own.index, "env", index, "value"), value)


def _lead_to(edits: Edits, status: Mapping[str, Any], old: int, new: int) -> None:
    """The variables that we set in the application's containers."""
    ours = {name for name in status.get("env") or () if isinstance(name, str)}
    proxy = f"http://127.0.0.1:{old}"
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(edits.get(("spec", kind)) or ()):
            for place, entry in enumerate(container.get("env") or ()):
                value = str(entry.get("value") or "")
                if entry.get("name") in ours and (value == proxy or value.startswith(f"{proxy}/")):
                    path = ("spec", kind, index, "env", place, "value")
                    edits.set(path, f"http://127.0.0.1:{new}{value.removeprefix(proxy)}")


def _set_admin_port(edits: Edits, own: _Own, old: int, new: int) -> None:
    path = ("spec", own.kind, own.index)
    for index, port in enumerate(own.container.get("ports") or ()):
        if port.get("containerPort") == old:
            edits.set((*path, "ports", index, "containerPort"), new)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if edits.get((*path, probe, "httpGet", "port")) == old:
            edits.set((*path, probe, "httpGet", "port"), new)
    command = edits.get((*path, "lifecycle", "postStart", "exec", "command"))
    if command and command[-1] == str(old):
        edits.set((*path, "lifecycle", "postStart", "exec", "command"), [*command[:-1], str(new)])
