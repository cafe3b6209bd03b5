"""Volumes of the sidecar: its state, the Secrets only it may see, rules as files, and a token where
the Pod has none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from pilotfish.injector.patch.settings import RULES_DIR, SECRETS_DIR, STATE_DIR, TOKEN_DIR, Sidecar

_NAME_LIMIT = 63  # a volume's name is a DNS label


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount of the sidecar, and the volume behind it; no volume where the Pod has it already."""

    mount: dict[str, Any]
    volume: dict[str, Any] | None


def mounts_for(spec: Mapping[str, Any], sidecar: Sidecar) -> Iterator[Mount]:
    """The sidecar's mounts. A volume whose name another one of the Pod has gets a name of its own:
    the API server refuses two of one name.
    """
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    for mount in _wanted(spec, sidecar):
        volume = mount.volume
        if volume is None or volume["name"] not in volumes:
            yield mount
        elif volumes[volume["name"]] == volume:
            yield Mount(mount.mount, None)
        else:
            name = _unused(volume["name"], volumes)
            yield Mount({**mount.mount, "name": name}, {**volume, "name": name})


def _unused(name: str, taken: Mapping[Any, Any]) -> str:
    stem = name[: _NAME_LIMIT - 4].rstrip("-")
    return next(new for n in count(2) if (new := f"{stem}-{n}") not in taken)


def _wanted(spec: Mapping[str, Any], sidecar: Sidecar) -> Iterator[Mount]:
    # In memory: survives a container's restart as a disk would, and does not keep the cluster
    # autoscaler from moving the Pod.
    yield _mount(
        "pilotfish-state",
        STATE_DIR,
        {"emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        read_only=False,
    )
    for secret in sidecar.secrets:
        # Optional: a Secret that is missing must not keep the application from starting; the proxy
        # reports it.
        source = {"secret": {"secretName": secret, "optional": True, "defaultMode": 0o444}}
        yield _mount(_name("pilotfish-secret-", secret), f"{SECRETS_DIR}/{secret}", source)
    if sidecar.config_source == "volume":
        for configmap in sidecar.configmaps:
            yield _mount(
                _name("pilotfish-rules-", configmap),
                f"{RULES_DIR}/{configmap}",
                {"configMap": {"name": configmap, "optional": True}},
            )
    else:
        yield _token(spec)


def _mount(name: str, path: str, source: dict[str, Any], *, read_only: bool = True) -> Mount:
    mount: dict[str, Any] = {"name": name, "mountPath": path}
    if read_only:
        mount["readOnly"] = True
    return Mount(mount, {"name": name, **source})


def _token(spec: Mapping[str, Any]) -> Mount:
    """The token volume that the API server has already given to the application's containers, else
    one of our own.

    Admission of service accounts runs before ours, so a Pod without such a mount has
    `automountServiceAccountToken: false` on itself or on its account. The application still gets no
    token: the volume is mounted into the sidecar only.
    """
    for container in spec.get("containers") or ():
        for mount in container.get("volumeMounts") or ():
            if mount.get("mountPath") == TOKEN_DIR and not mount.get("subPath"):
                return Mount(
                    {"name": mount.get("name"), "mountPath": TOKEN_DIR, "readOnly": True}, None
                )
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {
                        "path": "namespace",
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    }
                ]
            }
        },
    ]
    return _mount(
        "pilotfish-token", TOKEN_DIR, {"projected": {"defaultMode": 0o444, "sources": sources}}
    )


def _name(prefix: str, name: str) -> str:
    """A volume's name from an object's, which may be longer and hold dots."""
    plain = prefix + name.replace(".", "-")
    if len(plain) <= _NAME_LIMIT and "." not in name:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: _NAME_LIMIT - 9].rstrip('-')}-{digest}"
