"""Whose costs a proxy's requests are, and how a provider is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

AUTO, NONE, HEADERS, METADATA, BOTH = "auto", "none", "headers", "metadata", "both"
MOST_LABELS = 10  # of a Pod that go with its costs
_PRINTABLE = re.compile(r"[!-~]([ -~]{0,198}[!-~])?")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class CostOwner:
    """`namespace` and `workload`, empty where nobody knows, and the Pod's labels that were chosen
    for it, by name."""

    namespace: str = ""
    workload: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As `namespace/workload`, or whichever of them is known."""
        return "/".join(part for part in (self.namespace, self.workload) if part)

    def metric_labels(self) -> dict[str, str]:
        """What costs are labelled with: few and always the same, since a proxy has one owner."""
        made = {}
        if self.workload:
            made = {"workload_namespace": self.namespace, "workload": self.workload}
        return made | {f"label_{_word(n, '_')}": value for n, value in self.labels.items()}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What servers of one's own are told with every request."""
        told = {"namespace": self.namespace, "workload": self.workload}
        told |= {f"label-{_word(n, '-')}": value for n, value in self.labels.items()}
        return [(f"x-pilotfish-{n}".encode(), v.encode()) for n, v in told.items() if v]

    def metadata(self) -> dict[str, tuple[str, bytes]]:
        """By operation the field of the request that vendors keep for whose it is, and its JSON."""
        if not self.name:
            return {}
        named = {"namespace": self.namespace, "workload": self.workload, **self.labels}
        known = {_word(n, "_"): value for n, value in named.items() if value}
        user, all_of_it = json.dumps(self.name).encode(), json.dumps(known).encode()
        return {
            "chat": ("user", user),
            "responses": ("user", user),
            "messages": ("metadata", json.dumps({"user_id": self.name}).encode()),
            "converse": ("requestMetadata", all_of_it),
        }


NOBODY = CostOwner()


def cost_owner(workload: str, labels: Iterable[str]) -> CostOwner:
    """From `namespace/name` and `label=value` texts; those that are neither are left out."""
    namespace, _, name = workload.rpartition("/")
    pairs = [text.partition("=") for text in labels]
    chosen = [
        (n.strip(), value.strip())
        for n, _, value in pairs
        if n.strip() and _PRINTABLE.fullmatch(value.strip())
    ]
    return CostOwner(namespace, name, dict(chosen[:MOST_LABELS]))


def _word(name: str, joined_by: str) -> str:
    """A label's name as part of another one: `example.com/team` is `example_com_team`."""
    return _NOT_IN_NAMES.sub(joined_by, name.lower()).strip(joined_by)
