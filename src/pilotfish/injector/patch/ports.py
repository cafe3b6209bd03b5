"""Which ports the sidecar listens on: its defaults, what the Pod asks for, or others where a
container declares them for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotfish.injector.patch.annotations import Choices
from pilotfish.injector.patch.settings import CONTAINER


@dataclass(frozen=True, slots=True)
class Ports:
    port: int
    admin_port: int
    warnings: tuple[str, ...] = ()


def ports_for(spec: Mapping[str, Any], choices: Choices) -> Ports | str:
    """The ports to use, or why there are none. A default may move, since only the variables we set
    lead to it; what the Pod asked for may not.
    """
    declared = declared_ports(spec)
    wanted = {"port": choices.sidecar.port, "admin-port": choices.sidecar.admin_port}
    asked = [
        name
        for name, is_asked in (
            ("port", choices.port_asked),
            ("admin-port", choices.admin_port_asked),
        )
        if is_asked
    ]
    for name in asked:
        if wanted[name] in declared:
            return (
                f"port {wanted[name]}, asked for by pilotfish.dev/{name}, is declared by "
                f"container {declared[wanted[name]]}"
            )
    if len(asked) == 2 and wanted["port"] == wanted["admin-port"]:
        return (
            f"port {wanted['port']} is asked for by both pilotfish.dev/port and "
            "pilotfish.dev/admin-port"
        )
    used = {*declared, *(wanted[name] for name in asked)}
    warnings = []
    for name, port in wanted.items():
        if name not in asked and port in used:
            free = next_free(port, used | set(wanted.values()))
            if free is None:
                return "the Pod's containers declare every port that there is"
            wanted[name] = free
            by = (
                f"declared by container {declared[port]}"
                if port in declared
                else "asked for by annotation"
            )
            warnings.append(
                f"port {port} is {by}: the sidecar uses {wanted[name]} as its {name} instead"
            )
        used.add(wanted[name])
    return Ports(wanted["port"], wanted["admin-port"], tuple(warnings))


def declared_ports(spec: Mapping[str, Any]) -> dict[int, str]:
    """The container that declares each port; our own sidecar's do not count."""
    return {
        port.get("containerPort"): str(container.get("name"))
        for kind in ("containers", "initContainers")
        for container in spec.get(kind) or ()
        if container.get("name") != CONTAINER
        for port in container.get("ports") or ()
    }


def next_free(port: int, used: set[int]) -> int | None:
    """The first port from this one on, and round to it again, that is not used."""
    return next((p for p in (*range(port, 65536), *range(1024, port)) if p not in used), None)
