"""Whose requests a Pod's sidecar forwards: what the Pod belongs to, and those of its labels that
costs are told by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# A Pod of a Deployment belongs to a ReplicaSet, whose name ends in this label's value.
TEMPLATE_HASH = "pod-template-hash"
# A Job of a CronJob ends in the minutes since 1970 at which it was to run.
_SCHEDULED = re.compile(r"-\d{8}$")
_VALUE = re.compile(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")


def workload_of(pod: Mapping[str, Any]) -> str:
    """The name of the Deployment, StatefulSet, DaemonSet, Job or CronJob; of a bare Pod its own."""
    metadata = pod.get("metadata") or {}
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict) and owner.get("controller") and owner.get("name"):
            name = str(owner["name"])
            if owner.get("kind") == "ReplicaSet":
                suffix = (metadata.get("labels") or {}).get(TEMPLATE_HASH)
                return name.removesuffix(f"-{suffix}") if suffix else name
            return _SCHEDULED.sub("", name) if owner.get("kind") == "Job" else name
    return str(metadata.get("name") or metadata.get("generateName") or "").rstrip("-")


def cost_env(pod: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """Variables that tell the sidecar whose it is. `names`: of the Pod's labels that go with its
    costs; one that the Pod has not is left out.
    """
    made = []
    workload = workload_of(pod)
    if workload:
        # The kubelet writes the namespace in: a Pod may not know its own when it is admitted.
        made.append(("PILOTFISH_WORKLOAD", f"$(PILOTFISH_NAMESPACE)/{workload}"))
    labels = (pod.get("metadata") or {}).get("labels") or {}
    chosen = [f"{n}={labels[n]}" for n in names if _VALUE.fullmatch(str(labels.get(n, "")))]
    if chosen:
        made.append(("PILOTFISH_COST_LABELS", ",".join(chosen)))
    return made
