"""The injector's settings, read once from the environment (prefix `PILOTFISH_`), and the defaults
of every sidecar (prefix `PILOTFISH_SIDECAR_`). A wrong one ends the start with one line.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pilotfish import __version__
from pilotfish.errors import StartError
from pilotfish.injector.certificate_rotation import Lifetimes
from pilotfish.injector.patch.quantity import amount
from pilotfish.injector.patch.settings import SYSTEM_NAMESPACES, Sidecar
from pilotfish.settings import PREFIX, Address, address, what_is_wrong
from pilotfish.settings import read_settings as read_proxy_settings

SIDECAR_PREFIX = f"{PREFIX}SIDECAR_"
_BUILT_IN = Sidecar(image=f"pilotfish:{__version__}")


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _address(value: Any) -> Any:
    return address(value) if isinstance(value, str) else value


def _bounds(value: Any) -> Any:
    """`REQUEST/LIMIT`; without a limit it is the request."""
    if not isinstance(value, str):
        return value
    request, _, limit = (part.strip() for part in value.partition("/"))
    if not amount(request) or not amount(limit or request):
        raise ValueError(f"expected REQUEST/LIMIT as quantities, found {value!r}")
    return request, limit or request


def _variables(value: Any) -> Any:
    """A JSON object of names and values."""
    if not isinstance(value, str):
        return value
    try:
        return tuple((str(name), str(text)) for name, text in json.loads(value).items())
    except (ValueError, AttributeError):
        raise ValueError(f"expected a JSON object of names and values, found {value!r}") from None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
Listen = Annotated[Address, NoDecode, BeforeValidator(_address)]
Bounds = Annotated[tuple[str, str], NoDecode, BeforeValidator(_bounds)]
Variables = Annotated[tuple[tuple[str, str], ...], NoDecode, BeforeValidator(_variables)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]


class InjectorSettings(BaseSettings):
    """Each field is the environment variable PILOTFISH_<NAME>. Times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        str_strip_whitespace=True,
        arbitrary_types_allowed=True,
    )

    injector_listen: Listen = Address(("0.0.0.0", 14443))
    admin_listen: Listen = Address(("0.0.0.0", 14001))
    certificates: Literal["self", "files"] = "self"
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    # Our own namespace; empty: that of the mounted token.
    namespace: str = ""
    kubeconfig: Annotated[
        str, Field(validation_alias=AliasChoices("KUBECONFIG", f"{PREFIX}KUBECONFIG"))
    ] = ""
    identity: str = Field(default_factory=socket.gethostname)
    # The name of both webhook configurations.
    webhooks: str = "pilotfish-injector"
    certificate_secret: str = "pilotfish-injector-tls"
    certificate_names: Names = ("pilotfish-injector", "localhost", "127.0.0.1")
    authority_seconds: Seconds = Lifetimes.authority_s
    certificate_seconds: Seconds = Lifetimes.leaf_s
    authority_settle_seconds: Seconds = Lifetimes.settle_s
    lease: str = "pilotfish-injector"
    # How long after a leader's death another may take over.
    lease_seconds: Seconds = 15.0
    drain_seconds: Seconds = 5.0
    watchdog_seconds: Seconds = 60.0
    log_level: LogLevel = "info"

    @model_validator(mode="after")
    def _files_are_named(self) -> Self:
        if self.certificates == "files" and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError(
                f"{PREFIX}CERTIFICATES is 'files': {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"
                " must name the files"
            )
        return self

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            self.authority_seconds, self.certificate_seconds, self.authority_settle_seconds
        )


class SidecarSettings(BaseSettings):
    """Each field but the last is the environment variable PILOTFISH_SIDECAR_<NAME>."""

    model_config = SettingsConfigDict(
        env_prefix=SIDECAR_PREFIX,
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        str_strip_whitespace=True,
    )

    image: str = _BUILT_IN.image
    mode: Literal["auto", "native", "classic"] = "auto"
    port: Port = _BUILT_IN.port
    admin_port: Port = _BUILT_IN.admin_port
    configmaps: Names = ()
    configmap_selector: str = _BUILT_IN.configmap_selector
    config_source: Literal["api", "volume"] = "api"
    secrets: Names = ()
    cpu: Bounds = (_BUILT_IN.cpu, _BUILT_IN.cpu_limit)
    memory: Bounds = (_BUILT_IN.memory, _BUILT_IN.memory_limit)
    log_level: LogLevel = "info"
    image_pull_policy: str = ""
    image_pull_secrets: Names = ()
    set_env: bool = True
    ready_without_rules: bool = True
    env: Variables = ()
    excluded_namespaces: Annotated[
        Names, Field(validation_alias=f"{PREFIX}EXCLUDED_NAMESPACES")
    ] = SYSTEM_NAMESPACES


def read_settings() -> InjectorSettings:
    """Raises `StartError` naming each variable that is wrong, with what was expected."""
    try:
        return InjectorSettings()
    except ValidationError as wrong:
        raise StartError(what_is_wrong(wrong, PREFIX)) from None


def read_sidecar() -> Sidecar:
    """The defaults of every sidecar. Raises `StartError` as `read_settings` does."""
    try:
        settings = SidecarSettings()
    except ValidationError as wrong:
        raise StartError(what_is_wrong(wrong, SIDECAR_PREFIX)) from None
    _check_env(settings.env)
    (cpu, cpu_limit), (memory, memory_limit) = settings.cpu, settings.memory
    given = settings.model_dump(exclude={"cpu", "memory"})
    return Sidecar(
        version=__version__,
        cpu=cpu,
        cpu_limit=cpu_limit,
        memory=memory,
        memory_limit=memory_limit,
        **given,
    )


def _check_env(variables: tuple[tuple[str, str], ...]) -> None:
    """What the proxy would refuse at its start would keep every application from starting."""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables
        if name.startswith(PREFIX)
    }
    try:
        read_proxy_settings(given)
    except StartError as wrong:
        raise StartError(f"{SIDECAR_PREFIX}ENV: {wrong}") from None
