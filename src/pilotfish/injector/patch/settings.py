"""What injection is told: the operator's defaults, what surrounds a Pod, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

PREFIX = "pilotfish.dev/"
LABEL = PREFIX + "inject"
# `true` and `false` are what Istio and Linkerd taught people to write.
ENABLED, DISABLED = ("enabled", "true"), ("disabled", "false")
STATUS = PREFIX + "status"
CONTAINER = "pilotfish"
STATE_DIR = "/var/lib/pilotfish"
SECRETS_DIR = "/var/run/pilotfish/secrets"
RULES_DIR = "/etc/pilotfish/rules"
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"

# Never injected, whatever the labels say: a sidecar there could keep the cluster from healing
# itself.
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")

# Native sidecars (`restartPolicy: Always` on an init container) are on by default from here on.
# Older kubelets run the container as an ordinary init container, and wait for ever for a proxy to
# finish.
NATIVE_SINCE = (1, 29)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The operator's defaults for every sidecar; annotations override some of them. Times in whole
    seconds, as Kubernetes counts.
    """

    image: str
    version: str = ""
    mode: str = "auto"
    port: int = 14000
    admin_port: int = 14001
    configmaps: tuple[str, ...] = ()
    configmap_selector: str = "pilotfish.dev/config=true"
    config_source: str = "api"
    secrets: tuple[str, ...] = ()
    cpu: str = "50m"
    cpu_limit: str = "2"
    memory: str = "96Mi"
    memory_limit: str = "512Mi"
    log_level: str = "info"
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    set_env: bool = True
    # Whether a Pod counts as ready while its sidecar has no rules.
    ready_without_rules: bool = True
    # How long a stream should be able to go on when its Pod stops. A Pod whose grace period allows
    # less gets a warning.
    drain_s: int = 20
    # How long a classic sidecar goes on serving after the Pod was told to stop: both get SIGTERM at
    # once, and the application's last requests still need the proxy.
    hold_stop_s: int = 5
    env: tuple[tuple[str, str], ...] = ()
    excluded_namespaces: tuple[str, ...] = SYSTEM_NAMESPACES


@dataclass(frozen=True, slots=True)
class PodContext:
    """What is known of the Pod's namespace and cluster. `labels` None: unknown, the API server's
    namespaceSelector has decided.

    `may_watch`: whether the Pod's service account may watch its rules ConfigMaps; None: nobody
    asked. `missing_configmaps`: those of its rules (`namespace/name`) that are not there.
    """

    namespace: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    limit_ranges: Sequence[Mapping[str, Any]] = ()
    native: bool = False
    may_watch: bool | None = None
    missing_configmaps: Sequence[str] = ()
    label_needed: bool = True


class Reason(Enum):
    """Why a Pod did not get the sidecar. The values are label values of a metric, and words in
    warnings.
    """

    OPTED_OUT = "opted_out"
    NOT_SELECTED = "not_selected"
    PROTECTED_NAMESPACE = "protected_namespace"
    ALREADY_INJECTED = "already_injected"
    STATIC_POD = "static_pod"
    HOST_NETWORK = "host_network"
    WINDOWS = "windows"
    JOB_NEEDS_NATIVE = "job_needs_native"
    PORT_TAKEN = "port_taken"
    NO_RULES = "no_rules"
    NO_ROOM = "no_room"
    NO_CONTAINERS = "no_containers"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Skipped:
    reason: Reason
    detail: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Injected:
    """`patch` (RFC 6902) leads from the Pod that came in to `pod`."""

    pod: dict[str, Any]
    patch: list[dict[str, Any]]
    mode: str
    warnings: tuple[str, ...] = ()
    # Whether the sidecar was there already, and only put right what came after it.
    is_repair: bool = False
