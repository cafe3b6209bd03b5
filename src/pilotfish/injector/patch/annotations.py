"""What a Pod's annotations (and its namespace's, as defaults) ask for. Nonsense never stops a Pod:
it is left out, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pilotfish.injector.patch.quantity import amount, larger
from pilotfish.injector.patch.settings import PREFIX, Sidecar
from pilotfish.injector.patch.workload import cost_env

_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
# Secrets or ConfigMaps that one annotation names: each is a volume of the Pod.
MAX_NAMES = 64
# With its prefix, as Kubernetes has them.
_LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")
MOST_LABELS = 10
_IMAGE = re.compile(r"[\w][\w.\-/:@]{0,511}")
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Choices:
    """The settings of one Pod's sidecar. `*_asked`: the Pod names the port itself, so it must not
    be moved.
    """

    sidecar: Sidecar
    port_asked: bool = False
    admin_port_asked: bool = False
    warnings: tuple[str, ...] = ()


def choices_from(
    pod: Mapping[str, Any], namespace_annotations: Mapping[str, str], defaults: Sidecar
) -> Choices:
    """Reads every annotation of ours; the Pod's win over the namespace's, those over the operator's
    defaults.
    """
    own = (pod.get("metadata") or {}).get("annotations") or {}
    given = {
        key: str(value).strip()
        for key, value in {**namespace_annotations, **own}.items()
        if key.startswith(PREFIX)
    }
    reader = _Reader(given)
    port = reader.read("port", _port, defaults.port)
    admin_port = reader.read("admin-port", _port, defaults.admin_port)
    cpu, cpu_limit = _bounds(reader, "cpu", defaults.cpu, defaults.cpu_limit)
    memory, memory_limit = _bounds(reader, "memory", defaults.memory, defaults.memory_limit)
    sidecar = replace(
        defaults,
        mode=reader.read("mode", _one_of("auto", "native", "classic"), defaults.mode),
        port=port,
        admin_port=admin_port,
        configmaps=reader.names("configmaps", defaults.configmaps, may_name_namespace=True),
        config_source=reader.read(
            "config-source", _one_of("api", "volume"), defaults.config_source
        ),
        secrets=reader.names("secrets", defaults.secrets),
        cpu=cpu,
        cpu_limit=cpu_limit,
        memory=memory,
        memory_limit=memory_limit,
        image=reader.read("image", _image, defaults.image),
        log_level=reader.read("log-level", _one_of(*LEVELS), defaults.log_level),
        image_pull_secrets=reader.names("image-pull-secrets", defaults.image_pull_secrets),
        set_env=reader.read("env", _switch, defaults.set_env),
        ready_without_rules=reader.read(
            "ready-without-rules", _switch, defaults.ready_without_rules
        ),
    )
    set_already = {name for name, _ in sidecar.env}
    told = [v for v in cost_env(pod, reader.labels("cost-labels")) if v[0] not in set_already]
    sidecar = replace(sidecar, env=(*sidecar.env, *told))
    known = f"known: {', '.join(sorted(reader.known))}"
    for key in sorted(own):
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name != "status" and name not in reader.known:
            hint = "it is a label" if name == "inject" else known
            reader.warnings.append(f"annotation {key[:80]} is not known; {hint}")
    asked = "port" in reader.taken, "admin-port" in reader.taken
    return Choices(sidecar, *asked, warnings=tuple(reader.warnings))


class _Reader:
    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.taken: set[str] = set()
        self.known: set[str] = set()
        self.warnings: list[str] = []

    def read(self, name: str, parse: Callable[[str], Any], default: Any) -> Any:
        """The annotation's value as `parse` understands it. `parse` raises ValueError saying what
        was expected.
        """
        self.known.add(name)
        text = self._given.get(PREFIX + name, "")
        if not text:
            return default
        try:
            value = parse(text)
        except ValueError as wrong:
            self.warnings.append(
                f"annotation {PREFIX}{name}: {text[:40]!r} is not {wrong}; the default is used"
            )
            return default
        self.taken.add(name)
        return value

    def labels(self, name: str) -> list[str]:
        """Names of labels, comma-separated."""
        found = self.read(name, lambda text: [part.strip() for part in text.split(",")], [])
        good = [label for label in dict.fromkeys(found) if _LABEL.fullmatch(label)]
        if len(good) < len(found) or len(good) > MOST_LABELS:
            self.warnings.append(
                f"annotation {PREFIX}{name}: only names of labels, each once and at most "
                f"{MOST_LABELS}, are taken"
            )
        return good[:MOST_LABELS]

    def names(
        self, name: str, default: tuple[str, ...], *, may_name_namespace: bool = False
    ) -> tuple[str, ...]:
        self.known.add(name)
        text = self._given.get(PREFIX + name)
        if text is None:
            return default
        names = dict.fromkeys(part.strip() for part in text.split(",") if part.strip())
        if len(names) > MAX_NAMES:
            self.warnings.append(
                f"annotation {PREFIX}{name}: {len(names)} names; those after the first {MAX_NAMES} "
                "are left out"
            )
        good = []
        for found in islice(names, MAX_NAMES):
            parts = found.split("/", 1) if may_name_namespace else [found]
            if all(map(_DNS_NAME.fullmatch, parts)):
                good.append(found)
            else:
                self.warnings.append(
                    f"annotation {PREFIX}{name}: {found[:40]!r} is not a name of an object; it is "
                    "left out"
                )
        return tuple(good) if good or not names else default


def _bounds(reader: _Reader, name: str, request: str, limit: str) -> tuple[str, str]:
    """`200m` asks for that much, and lifts the limit where it is below; `200m/1` gives request and
    limit.
    """

    def parse(text: str) -> tuple[str, str]:
        asked, _, most = (part.strip() for part in text.partition("/"))
        if not amount(asked) or (most and not amount(most)):
            raise ValueError("a quantity such as 250m or 128Mi (or request/limit)")
        return asked, larger(most or limit, asked)

    bounds: tuple[str, str] = reader.read(name, parse, (request, limit))
    return bounds


def _port(text: str) -> int:
    # 1 to 1023 need a capability that the sidecar has dropped.
    if not text.isascii() or not text.isdigit() or not 1024 <= int(text[:9]) <= 65535:
        raise ValueError("a port from 1024 to 65535")
    return int(text)


def _image(text: str) -> str:
    if not _IMAGE.fullmatch(text):
        raise ValueError("the name of an image")
    return text


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError('"true" or "false"')
    return text.lower() == "true"


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError("one of " + ", ".join(words))
        return text

    return parse
