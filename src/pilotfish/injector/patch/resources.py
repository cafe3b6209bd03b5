"""What the sidecar asks for and may take: enough to run, within what the namespace and the Pod
allow, without changing the Pod's class of service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pilotfish.injector.patch.quantity import Bounds, Totals, amount, larger
from pilotfish.injector.patch.settings import Sidecar

# An application that is pinned to CPUs by its Guaranteed class needs requests equal to limits in
# every container.
_GUARANTEED_CPU = "500m"
# With less the proxy is ended for want of memory, or does not start within its probe's minute; the
# application would wait for it in vain.
LEAST = {"cpu": "20m", "memory": "80Mi"}


def resources_for(
    spec: Mapping[str, Any], sidecar: Sidecar, limit_ranges: Iterable[Mapping[str, Any]]
) -> dict[str, Any] | str:
    """The container's `resources`, or what leaves no room for a sidecar that could run."""
    asked = {
        "cpu": Bounds(sidecar.cpu, sidecar.cpu_limit),
        "memory": Bounds(sidecar.memory, sidecar.memory_limit),
    }
    pod_level, guaranteed = spec.get("resources"), is_guaranteed(spec)
    limit_ranges = list(limit_ranges)
    fitted = {}
    for kind, bounds in asked.items():
        least = min(amount(LEAST[kind]) or Decimal(0), amount(bounds.limit) or Decimal(0))
        totals = _totals(spec, kind)
        if pod_level:
            # The Pod's class and share come from here; ours must fit into what is left.
            bounds = bounds.within_pod(kind, pod_level, totals)
        elif guaranteed:
            whole = larger(_GUARANTEED_CPU, bounds.request) if kind == "cpu" else bounds.limit
            bounds = Bounds(whole, whole)
        bounds = bounds.fitted(kind, limit_ranges, totals)
        if (amount(bounds.limit) or Decimal(0)) < least:
            return (
                f"what the namespace's LimitRanges or the Pod's own resources leave of {kind}"
                f" ({bounds.limit}) is not enough for the sidecar ({LEAST[kind]})"
            )
        fitted[kind] = bounds
    return {
        "requests": {kind: bounds.request for kind, bounds in fitted.items()},
        "limits": {kind: bounds.limit for kind, bounds in fitted.items()},
    }


def is_guaranteed(spec: Mapping[str, Any]) -> bool:
    """Whether every container has limits, and requests that are equal to them (`1` and `1000m` are)
    or absent, which means equal.
    """
    return all(
        (limit := amount(_resource(container, "limits", kind)))
        and amount(_resource(container, "requests", kind) or limit) == limit
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        for kind in ("cpu", "memory")
    )


def _totals(spec: Mapping[str, Any], kind: str) -> Totals:
    """What the Pod's containers add up to, as Kubernetes counts them: native sidecars beside the
    containers, or beside the largest of the other init containers.
    """

    def total(of: str) -> Decimal:
        containers = [_asked(c, of, kind) for c in spec.get("containers") or ()]
        init = spec.get("initContainers") or ()
        beside = [_asked(c, of, kind) for c in init if c.get("restartPolicy") == "Always"]
        before = [_asked(c, of, kind) for c in init if c.get("restartPolicy") != "Always"]
        return max(sum(containers, Decimal(0)), max(before, default=Decimal(0))) + sum(
            beside, Decimal(0)
        )

    return Totals(total("requests"), total("limits"))


def _asked(container: Mapping[str, Any], of: str, kind: str) -> Decimal:
    """A request that is absent is the limit."""
    value = _resource(container, of, kind)
    if value is None and of == "requests":
        value = _resource(container, "limits", kind)
    return amount(value) or Decimal(0)


def _resource(container: Mapping[str, Any], of: str, kind: str) -> Any:
    return ((container.get("resources") or {}).get(of) or {}).get(kind)
