"""Injection of one Pod: `inject` is a ladder of early returns, then five edits.

Works on the JSON as it came (unknown fields survive) and on Pod templates alike: all it needs is
`metadata` and `spec`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilotfish.injector.patch import environment
from pilotfish.injector.patch.annotations import Choices, choices_from
from pilotfish.injector.patch.container import container_for, drain_s, grace_s
from pilotfish.injector.patch.edits import Edits
from pilotfish.injector.patch.ports import ports_for
from pilotfish.injector.patch.reinvoked import repaired_pod
from pilotfish.injector.patch.resources import resources_for
from pilotfish.injector.patch.settings import (
    CONTAINER,
    DISABLED,
    ENABLED,
    LABEL,
    STATUS,
    Injected,
    PodContext,
    Reason,
    Sidecar,
    Skipped,
)
from pilotfish.injector.patch.volumes import mounts_for

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
# Of each list in a Pod, and of all values in it. The largest Pods that are seen have some dozens of
# containers and some thousands of values.
MAX_ENTRIES = {"containers": 256, "initContainers": 256, "volumes": 1024}
MAX_VALUES = 20_000
_STATIC_POD = "kubernetes.io/config.mirror"


def inject(pod: dict[str, Any], defaults: Sidecar, around: PodContext) -> Injected | Skipped:
    """The Pod with the sidecar and the patch that leads there, or why it stays as it is. Never
    raises, whatever the Pod holds.
    """
    try:
        return _inject(pod, defaults, around)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, RecursionError) as wrong:
        # The API server has not validated the Pod yet at admission. It will say better than we
        # could what is wrong with it.
        return Skipped(
            Reason.MALFORMED,
            f"the Pod is not of the expected shape ({type(wrong).__name__}: {wrong})",
        )


def _inject(pod: dict[str, Any], defaults: Sidecar, around: PodContext) -> Injected | Skipped:
    if (refusal := _unselected(pod, defaults, around)) is not None:
        return refusal
    if (too_large := _too_large(pod)) is not None:
        return Skipped(Reason.TOO_LARGE, too_large)
    if (repaired := repaired_pod(pod, around.annotations)) is not None:
        return repaired
    if (refusal := _impossible(pod)) is not None:
        return refusal
    choices = choices_from(pod, around.annotations, defaults)
    choices = replace(choices, warnings=(*_label_warnings(pod), *choices.warnings))
    native = _native(choices.sidecar, around)
    spec = pod["spec"]
    if not native and spec.get("restartPolicy", "Always") != "Always":
        return Skipped(
            Reason.JOB_NEEDS_NATIVE,
            "a classic sidecar would keep this Job from ever completing",
            choices.warnings,
        )
    ports = ports_for(spec, choices)
    if isinstance(ports, str):
        return Skipped(Reason.PORT_TAKEN, ports, choices.warnings)
    sidecar = replace(choices.sidecar, port=ports.port, admin_port=ports.admin_port)
    reachable = _with_rules(
        replace(choices, sidecar=sidecar, warnings=choices.warnings + ports.warnings), around
    )
    if isinstance(reachable, Skipped):
        return reachable
    resources = resources_for(spec, sidecar, around.limit_ranges)
    if isinstance(resources, str):
        return Skipped(Reason.NO_ROOM, resources, reachable.warnings)
    return _edited(pod, reachable, around, resources, native=native)


@dataclass(frozen=True, slots=True)
class RulesNeeded:
    """Which ConfigMaps (namespace, name; name "": by selector) a sidecar would read, and as which
    service account of its namespace it would have to watch them; none: they are mounted.
    """

    configmaps: tuple[tuple[str, str], ...]
    account: str = ""


def rules_needed(
    pod: Mapping[str, Any], defaults: Sidecar, around: PodContext
) -> RulesNeeded | None:
    """None where the Pod's annotations cannot be read. Never raises."""
    try:
        sidecar = choices_from(pod, around.annotations, defaults).sidecar
        account = str((pod.get("spec") or {}).get("serviceAccountName") or "default")
    except (AttributeError, TypeError):
        return None
    named = tuple(
        (ns or around.namespace, name)
        for ns, _, name in (c.rpartition("/") for c in sidecar.configmaps)
    )
    if sidecar.config_source == "volume":
        return RulesNeeded(named)
    return RulesNeeded(named or ((around.namespace, ""),), account)


def _unselected(pod: Mapping[str, Any], defaults: Sidecar, around: PodContext) -> Skipped | None:
    labels = (pod.get("metadata") or {}).get("labels") or {}
    own = str(labels.get(LABEL))
    if around.namespace in defaults.excluded_namespaces:
        return Skipped(
            Reason.PROTECTED_NAMESPACE, f"nothing is injected in the namespace {around.namespace}"
        )
    if own in DISABLED:
        return Skipped(Reason.OPTED_OUT, f"the Pod's label {LABEL} is {own}")
    if own in ENABLED or not around.label_needed:
        return None
    if around.labels is not None and around.labels.get(LABEL) not in ENABLED:
        return Skipped(
            Reason.NOT_SELECTED, f"neither the Pod nor its namespace has the label {LABEL}: enabled"
        )
    return None


def _label_warnings(pod: Mapping[str, Any]) -> Iterator[str]:
    own = ((pod.get("metadata") or {}).get("labels") or {}).get(LABEL)
    if own is not None and str(own) not in (*ENABLED, *DISABLED):
        yield (
            f"the label {LABEL}: {str(own)[:40]!r} is not understood, expected enabled or disabled;"
            " its namespace decides"
        )


def _too_large(pod: Mapping[str, Any]) -> str | None:
    """What there is too much of. Nobody writes such a Pod; making a patch for one takes long, and
    other Pods wait for theirs.
    """
    spec = pod["spec"]
    for kind, most in MAX_ENTRIES.items():
        if len(spec.get(kind) or ()) > most:
            return f"the Pod has {len(spec[kind])} {kind}, at most {most} are looked at"
    left: list[Any] = [pod]
    count = 0
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > MAX_VALUES:
                return f"the Pod holds more than {MAX_VALUES} values"
            left.extend(value.values() if isinstance(value, dict) else value)
    return None


def _impossible(pod: Mapping[str, Any]) -> Skipped | None:
    spec = pod["spec"]
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    if any(container.get("name") == CONTAINER for container in containers):
        return Skipped(Reason.ALREADY_INJECTED, f"the Pod has a container named {CONTAINER}")
    if not spec.get("containers"):
        return Skipped(Reason.NO_CONTAINERS, "the Pod has no containers")
    if _STATIC_POD in annotations:
        return Skipped(Reason.STATIC_POD, "a static Pod's mirror cannot be changed")
    if spec.get("hostNetwork"):
        return Skipped(
            Reason.HOST_NETWORK, "with hostNetwork the sidecar's ports would be the node's"
        )
    named = (spec.get("os") or {}).get("name") or (spec.get("nodeSelector") or {}).get(
        "kubernetes.io/os"
    )
    if named == "windows":
        return Skipped(Reason.WINDOWS, "the sidecar's image is for Linux")
    return None


def _native(sidecar: Sidecar, around: PodContext) -> bool:
    return around.native if sidecar.mode == "auto" else sidecar.mode == "native"


def _with_rules(choices: Choices, around: PodContext) -> Choices | Skipped:
    """Falls back to a volume where the service account may not watch; a sidecar that can have no
    rules at all is better left out.
    """
    sidecar, warnings = choices.sidecar, list(choices.warnings)
    if sidecar.config_source == "api" and around.may_watch is not False:
        return choices
    here = tuple(name.removeprefix(f"{around.namespace}/") for name in sidecar.configmaps)
    mountable = tuple(name for name in here if "/" not in name)
    if not mountable:
        why = (
            "the service account may not watch the rules ConfigMaps, and "
            if sidecar.config_source == "api"
            else ""
        )
        return Skipped(
            Reason.NO_RULES,
            f"{why}no ConfigMap of the Pod's own namespace is named that could be mounted",
            tuple(warnings),
        )
    if sidecar.config_source == "api":
        warnings.append(
            "the service account may not watch the rules ConfigMaps: they are mounted as "
            "volumes, edits take about a minute"
        )
    for name in here:
        if name not in mountable:
            warnings.append(
                f"ConfigMap {name} is of another namespace and cannot be mounted; it is left out"
            )
    return replace(
        choices,
        sidecar=replace(sidecar, config_source="volume", configmaps=mountable),
        warnings=tuple(warnings),
    )


def _edited(
    pod: dict[str, Any],
    choices: Choices,
    around: PodContext,
    resources: Mapping[str, Any],
    *,
    native: bool,
) -> Injected:
    sidecar, spec, edits = choices.sidecar, pod["spec"], Edits(pod)
    warnings = [
        *choices.warnings,
        *_missing(sidecar, around),
        *_shared_processes(spec),
        *_short_grace(spec, sidecar, native=native),
    ]
    variables: set[str] = set()
    if sidecar.set_env:
        for kind in ("containers", "initContainers") if native else ("containers",):
            for index, container in enumerate(spec.get(kind) or ()):
                if container.get("name") in environment.FOREIGN_CONTAINERS:
                    continue
                for variable in environment.additions(container, sidecar.port):
                    edits.append(("spec", kind, index, "env"), variable)
                    variables.add(variable["name"])
                warnings.extend(environment.warnings(container))
        if not native and spec.get("initContainers"):
            warnings.append("init containers run before a classic sidecar and cannot use it")
    mounts = []
    for mount in mounts_for(spec, sidecar):
        mounts.append(mount.mount)
        if mount.volume is not None:
            edits.append(("spec", "volumes"), mount.volume)
    pulling = {secret.get("name") for secret in edits.get(("spec", "imagePullSecrets")) or ()}
    for name in dict.fromkeys(sidecar.image_pull_secrets):
        if name not in pulling:
            edits.append(("spec", "imagePullSecrets"), {"name": name})
    container = container_for(
        spec, sidecar, around, native=native, mounts=mounts, resources=resources
    )
    edits.insert(("spec", "initContainers" if native else "containers"), 0, container)
    if not native and edits.get(("metadata", "annotations", _DEFAULT_CONTAINER)) is None:
        # `kubectl logs` and `exec` take the first container; without this they would show the
        # proxy.
        edits.set(("metadata", "annotations", _DEFAULT_CONTAINER), spec["containers"][0]["name"])
    edits.set(
        ("metadata", "annotations", STATUS), _status(sidecar, sorted(variables), native=native)
    )
    return Injected(
        edits.document, edits.operations, "native" if native else "classic", tuple(warnings)
    )


def _missing(sidecar: Sidecar, around: PodContext) -> Iterator[str]:
    for name in around.missing_configmaps:
        then = "" if sidecar.ready_without_rules else " and the Pod is not ready"
        yield (
            f"ConfigMap {name} is not there: until it is, requests to an LLM are answered with"
            f" 503{then}"
        )


def _shared_processes(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("shareProcessNamespace"):
        yield (
            "shareProcessNamespace: whoever runs as the sidecar's user in this Pod can read what is"
            " mounted into the sidecar only, the providers' keys among it"
        )


def _short_grace(spec: Mapping[str, Any], sidecar: Sidecar, *, native: bool) -> Iterator[str]:
    if (left := drain_s(spec, sidecar, native=native)) < sidecar.drain_s:
        yield (
            f"terminationGracePeriodSeconds is {grace_s(spec)}: streams longer than {left} s "
            "are cut when the Pod stops"
        )


def _status(sidecar: Sidecar, variables: list[str], *, native: bool) -> str:
    status = {
        "version": sidecar.version,
        "image": sidecar.image,
        "mode": "native" if native else "classic",
        "source": sidecar.config_source,
        "configmaps": list(sidecar.configmaps) or [sidecar.configmap_selector],
        "secrets": list(sidecar.secrets),
        "port": sidecar.port,
        "admin_port": sidecar.admin_port,
        "env": variables,
    }
    return json.dumps(status, separators=(",", ":"))
