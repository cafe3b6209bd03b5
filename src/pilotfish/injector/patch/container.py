"""The sidecar's container, as the Pod's specification names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilotfish.injector.patch.settings import CONTAINER, RULES_DIR, STATE_DIR, PodContext, Sidecar

# Kubernetes' default grace period.
DEFAULT_GRACE_S = 30
# What is left for the process to close its connections and for the runtime to reap it before
# SIGKILL.
_EXIT_S = 3
# How long the application waits for the first rules before it starts without them: a sidecar with
# no rules must not block a Pod.
_RULES_WAIT_S = 10


def container_for(
    spec: Mapping[str, Any],
    sidecar: Sidecar,
    around: PodContext,
    *,
    native: bool,
    mounts: Sequence[dict[str, Any]],
    resources: Mapping[str, Any],
) -> dict[str, Any]:
    """A native sidecar (to stand first among the init containers) or a classic one (to stand first
    among the containers).
    """
    container: dict[str, Any] = {"name": CONTAINER, "image": sidecar.image}
    if sidecar.image_pull_policy:
        container["imagePullPolicy"] = sidecar.image_pull_policy
    container["args"] = ["proxy"]
    if native:
        container["restartPolicy"] = "Always"
    container["ports"] = [
        {"name": "pilotfish-admin", "containerPort": sidecar.admin_port, "protocol": "TCP"}
    ]
    container["env"] = _settings(spec, sidecar, around, native=native)
    container["resources"] = resources
    container["securityContext"] = _security(spec, around.annotations)
    container["volumeMounts"] = list(mounts)
    container.update(_probes(sidecar))
    if not native:
        container["lifecycle"] = _holds(sidecar.admin_port, hold_stop_s(spec, sidecar))
    return container


def grace_s(spec: Mapping[str, Any]) -> int:
    grace = spec.get("terminationGracePeriodSeconds")
    return grace if isinstance(grace, int) else DEFAULT_GRACE_S


def hold_stop_s(spec: Mapping[str, Any], sidecar: Sidecar) -> int:
    """How long a classic sidecar waits before it hears SIGTERM; at most a third of the grace
    period, which it shares with draining.
    """
    return min(sidecar.hold_stop_s, grace_s(spec) // 3)


def drain_s(spec: Mapping[str, Any], sidecar: Sidecar, *, native: bool) -> int:
    """How long requests in flight may go on after SIGTERM: all that the grace period leaves, so
    that SIGKILL ends none of them.
    """
    return max(0, grace_s(spec) - _EXIT_S - (0 if native else hold_stop_s(spec, sidecar)))


def _settings(
    spec: Mapping[str, Any], sidecar: Sidecar, around: PodContext, *, native: bool
) -> list[dict[str, Any]]:
    settings = {
        "LISTEN": f"127.0.0.1:{sidecar.port}",
        "ADMIN_LISTEN": f"0.0.0.0:{sidecar.admin_port}",
        **_rules_source(sidecar),
        "STATE_DIR": STATE_DIR,
        "DRAIN_SECONDS": str(drain_s(spec, sidecar, native=native)),
        "LOG_LEVEL": sidecar.log_level,
    }
    env: list[dict[str, Any]] = [
        {"name": f"PILOTFISH_{name}", "value": value} for name, value in settings.items()
    ]
    own_namespace = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    env.append({"name": "PILOTFISH_NAMESPACE", "valueFrom": own_namespace})
    return env + [{"name": name, "value": value} for name, value in sidecar.env]


def _rules_source(sidecar: Sidecar) -> dict[str, str]:
    if sidecar.config_source == "volume":
        return {"CONFIG": ",".join(f"{RULES_DIR}/{name}" for name in sidecar.configmaps)}
    if sidecar.configmaps:
        return {"CONFIGMAPS": ",".join(sidecar.configmaps)}
    return {"CONFIGMAP_SELECTOR": sidecar.configmap_selector}


def _security(spec: Mapping[str, Any], namespace_annotations: Mapping[str, str]) -> dict[str, Any]:
    """No fixed user: OpenShift assigns one from the namespace's range, and the image runs as any.

    Only where the Pod as a whole runs as root must the sidecar name a user of its own, or the
    kubelet would refuse to start it.
    """
    security: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if (spec.get("securityContext") or {}).get("runAsUser") == 0:
        first_of_range = str(namespace_annotations.get("openshift.io/sa.scc.uid-range", "")).split(
            "/"
        )[0]
        security["runAsUser"] = (
            int(first_of_range) if first_of_range.isascii() and first_of_range.isdigit() else 65532
        )
    return security


def _probes(sidecar: Sidecar) -> dict[str, Any]:
    admin_port = sidecar.admin_port
    # A Pod counts as ready when all its containers do. For want of rules the application must not
    # leave its Service: its requests to an LLM are answered with 503 then, and all others go on.
    ready = "/healthz" if sidecar.ready_without_rules else "/readyz"

    def asks(path: str, **timing: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": admin_port, "scheme": "HTTP"}, **timing}

    return {
        # Holds back what comes after the sidecar until it serves. It asks for the process and, for
        # a bounded time, for its rules: waiting for these without end would keep the application
        # down for a typing error in a ConfigMap.
        "startupProbe": asks(
            f"/healthz?startup_s={_RULES_WAIT_S}",
            periodSeconds=1,
            timeoutSeconds=2,
            failureThreshold=60,
        ),
        "readinessProbe": asks(ready, periodSeconds=5, timeoutSeconds=3, failureThreshold=3),
        # A minute of silence: a busy event loop is late now and then, and a restart would cut every
        # stream.
        "livenessProbe": asks("/healthz", periodSeconds=10, timeoutSeconds=5, failureThreshold=6),
    }


def _holds(admin_port: int, stop_s: int) -> dict[str, Any]:
    """The kubelet starts the next container only when postStart has returned, and sends SIGTERM
    only when preStop has.
    """
    hold = ["python", "-m", "pilotfish.lifecycle_hooks"]
    return {
        "postStart": {"exec": {"command": [*hold, "start", str(admin_port)]}},
        "preStop": {"exec": {"command": [*hold, "stop", str(stop_s)]}},
    }
