"""The injector's settings, read once from the environment (prefix `PILOTFISH_`). A wrong one ends
the start with one line.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotfish import __version__
from pilotfish.errors import StartError
from pilotfish.injector.certificate_rotation import Lifetimes
from pilotfish.injector.patch.quantity import amount
from pilotfish.injector.patch.settings import SYSTEM_NAMESPACES, Sidecar

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class InjectorSettings:
    listen: Address
    admin_listen: Address
    sidecar: Sidecar
    certificates: str  # self | files
    cert_file: Path
    key_file: Path
    namespace: str  # our own; empty: that of the mounted token
    kubeconfig: str
    identity: str
    webhooks: str  # the name of both webhook configurations
    certificate_secret: str
    certificate_names: tuple[str, ...]
    lifetimes: Lifetimes
    lease: str
    lease_s: float  # how long after a leader's death another may take over
    drain_s: float
    watchdog_s: float
    log_level: str


def settings_from(environ: Mapping[str, str]) -> InjectorSettings:
    """Raises `StartError` naming the variable, what it holds and what was expected."""
    read = _Reader(environ)
    certificates = read.word("CERTIFICATES", "self", ("self", "files"))
    cert_file, key_file = read.text("TLS_CERT_FILE"), read.text("TLS_KEY_FILE")
    if certificates == "files" and not (cert_file and key_file):
        raise StartError(
            "PILOTFISH_CERTIFICATES is 'files': PILOTFISH_TLS_CERT_FILE and PILOTFISH_TLS_KEY_FILE must name the files"
        )
    return InjectorSettings(
        listen=read.address("INJECTOR_LISTEN", "0.0.0.0:14443"),
        admin_listen=read.address("ADMIN_LISTEN", "0.0.0.0:14001"),
        sidecar=sidecar_from(environ),
        certificates=certificates,
        cert_file=Path(cert_file),
        key_file=Path(key_file),
        namespace=read.text("NAMESPACE"),
        kubeconfig=environ.get("KUBECONFIG", ""),
        identity=read.text("IDENTITY", socket.gethostname()),
        webhooks=read.text("WEBHOOKS", "pilotfish-injector"),
        certificate_secret=read.text("CERTIFICATE_SECRET", "pilotfish-injector-tls"),
        certificate_names=read.names(
            "CERTIFICATE_NAMES", ("pilotfish-injector", "localhost", "127.0.0.1")
        ),
        lifetimes=Lifetimes(
            authority_s=read.number("AUTHORITY_SECONDS", Lifetimes.authority_s),
            leaf_s=read.number("CERTIFICATE_SECONDS", Lifetimes.leaf_s),
            settle_s=read.number("AUTHORITY_SETTLE_SECONDS", Lifetimes.settle_s),
        ),
        lease=read.text("LEASE", "pilotfish-injector"),
        lease_s=read.number("LEASE_SECONDS", 15.0),
        drain_s=read.number("DRAIN_SECONDS", 5.0),
        watchdog_s=read.number("WATCHDOG_SECONDS", 60.0),
        log_level=read.text("LOG_LEVEL", "info"),
    )


def sidecar_from(environ: Mapping[str, str]) -> Sidecar:
    """The defaults of every sidecar (`PILOTFISH_SIDECAR_...`)."""
    read = _Reader(environ)
    cpu, cpu_limit = read.bounds("SIDECAR_CPU", "50m/2")
    memory, memory_limit = read.bounds("SIDECAR_MEMORY", "96Mi/512Mi")
    return Sidecar(
        image=read.text("SIDECAR_IMAGE", f"pilotfish:{__version__}"),
        version=__version__,
        mode=read.word("SIDECAR_MODE", "auto", ("auto", "native", "classic")),
        port=read.port("SIDECAR_PORT", 14000),
        admin_port=read.port("SIDECAR_ADMIN_PORT", 14001),
        configmaps=read.names("SIDECAR_CONFIGMAPS"),
        configmap_selector=read.text("SIDECAR_CONFIGMAP_SELECTOR", "pilotfish.dev/config=true"),
        config_source=read.word("SIDECAR_CONFIG_SOURCE", "api", ("api", "volume")),
        secrets=read.names("SIDECAR_SECRETS"),
        cpu=cpu,
        cpu_limit=cpu_limit,
        memory=memory,
        memory_limit=memory_limit,
        log_level=read.text("SIDECAR_LOG_LEVEL", "info"),
        image_pull_policy=read.text("SIDECAR_IMAGE_PULL_POLICY"),
        set_env=read.word("SIDECAR_SET_ENV", "true", ("true", "false")) == "true",
        env=read.variables("SIDECAR_ENV"),
        excluded_namespaces=read.names("EXCLUDED_NAMESPACES", SYSTEM_NAMESPACES),
    )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(f"PILOTFISH_{name}", "").strip() or default

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip()) or default

    def word(self, name: str, default: str, known: tuple[str, ...]) -> str:
        return str(
            self._parsed(
                name,
                default,
                lambda text: text if text in known else None,
                f"one of {', '.join(known)}",
            )
        )

    def port(self, name: str, default: int) -> int:
        return int(self._parsed(name, str(default), _port, "a port"))

    def number(self, name: str, default: float) -> float:
        return float(
            self._parsed(
                name,
                str(default),
                lambda text: text if text.replace(".", "", 1).isdigit() else None,
                "a number of seconds",
            )
        )

    def address(self, name: str, default: str) -> Address:
        def parse(text: str) -> Address | None:
            host, colon, port = text.rpartition(":")
            return None if not colon or _port(port) is None else (host.strip("[]"), int(port))

        address: Address = self._parsed(name, default, parse, "HOST:PORT")
        return address

    def bounds(self, name: str, default: str) -> tuple[str, str]:
        def parse(text: str) -> tuple[str, str] | None:
            request, _, limit = (part.strip() for part in text.partition("/"))
            return (
                (request, limit or request)
                if amount(request) and amount(limit or request)
                else None
            )

        bounds: tuple[str, str] = self._parsed(name, default, parse, "REQUEST/LIMIT as quantities")
        return bounds

    def variables(self, name: str) -> tuple[tuple[str, str], ...]:
        def parse(text: str) -> tuple[tuple[str, str], ...] | None:
            try:
                return tuple((str(key), str(value)) for key, value in json.loads(text).items())
            except (ValueError, AttributeError):
                return None

        variables: tuple[tuple[str, str], ...] = self._parsed(
            name, "{}", parse, "a JSON object of names and values"
        )
        return variables

    def _parsed(self, name: str, default: str, parse: Callable[[str], Any], expected: str) -> Any:
        text = self.text(name, default)
        value = parse(text)
        if value is None:
            raise StartError(f"PILOTFISH_{name} is {text!r}, expected {expected}")
        return value


def _port(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= 65535 else None
