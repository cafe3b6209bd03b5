"""Flags and environment, read once. What changes while running is in the rules, not
here.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, TextIO

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pilotfish.core.model.cost_owner import CostOwner, cost_owner
from pilotfish.errors import StartError

PREFIX = "PILOTFISH_"
Names = Annotated[tuple[str, ...], NoDecode]


class Address(tuple[str, int]):
    """HOST:PORT; prints as such."""

    def __str__(self) -> str:
        host, port = self
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(text: str) -> Address:
    """Raises ValueError saying what was expected."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"expected HOST:PORT, found {text!r}")
    return Address((host.strip("[]") or "0.0.0.0", int(port)))


class Settings(BaseSettings):
    """Each field is the environment variable PILOTFISH_<NAME> and the flag --<name> of `pilotfish
    proxy`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    listen: str = Field("127.0.0.1:14000", description="where clients connect")
    admin_listen: str = Field(
        "0.0.0.0:14001", description="metrics, health, status, explain, status page"
    )
    config: Names = Field((), description="rules files or folders, comma-separated")
    configmaps: Names = Field(
        (), description="[namespace/]name of ConfigMaps to watch, comma-separated"
    )
    configmap_selector: str = Field(
        "pilotfish.dev/config=true", description="label selector, where neither of the above is set"
    )
    namespace: str = Field("", description="default: the Pod's own")
    workload: str = Field(
        "", description="namespace/name of what it works for: whose budget and cost it is"
    )
    cost_labels: Names = Field(
        (), description="label=value of what it works for, told with its costs; comma-separated"
    )
    kubeconfig: str = Field("", description="outside a cluster; KUBECONFIG is honoured too")
    secrets_dir: str = Field(
        "/var/run/pilotfish/secrets", description="mounted Secrets, <secret name>/<key>"
    )
    state_dir: str = Field(
        "", description="where statistics survive a restart; empty: nothing is kept"
    )
    drain_seconds: float = Field(
        30.0, ge=0, description="how long requests in flight may take after SIGTERM"
    )
    max_body_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="larger request bodies are answered with 413"
    )
    max_buffered_bytes: int = Field(
        0,
        ge=0,
        description="request bodies held at once; what is beyond is answered with 503;"
        " 0: a quarter of the memory limit, else 256 MiB",
    )
    max_in_flight: int = Field(
        1000, gt=0, description="more requests at once are answered with 503"
    )
    event_loop: Literal["", "uvloop", "asyncio"] = Field(
        "", description="default: uvloop where installed"
    )
    otlp_endpoint: str = Field("", repr=False, description="where traces are sent; empty: nowhere")
    otlp_metrics: str = Field(
        "",
        repr=False,
        description="where metrics are pushed; true: where traces are; empty: nowhere",
    )
    metrics_detail: Literal["", "full", "used", "small"] = Field(
        "",
        description="how many metrics are told: full, used or small;"
        " default: full for up to 20 services, used for more",
    )
    redis_url: str = Field("", repr=False, description="limits and cooldowns shared over replicas")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="debug, info, warning, error or critical"
    )
    log_format: Literal["", "json", "console"] = Field(
        "", description="default: json, console on a terminal"
    )
    access_log: bool = Field(True, description="one line a request on stdout")
    access_log_sample: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of requests served at the first attempt that is logged; all others are",
    )
    admin_write: Literal["loopback", "any"] = Field(
        "loopback", description="who may use POST /reset of the admin port: loopback or any"
    )
    allowed_origins: Names = Field(
        (), description="origins of web pages that may call, comma-separated; * is any text"
    )
    allowed_hosts: Names = Field(
        (),
        description="host names that are ours, beside IP addresses, localhost, names without a dot,"
        " *.svc and *.svc.*; comma-separated",
    )
    allow_inline_secrets: bool = Field(False, description="accept literal keys in the rules")

    def owner(self) -> CostOwner:
        """Whose requests the proxy forwards."""
        return cost_owner(self.workload, self.cost_labels)

    @field_validator(
        "config", "cost_labels", "configmaps", "allowed_origins", "allowed_hosts", mode="before"
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("configmaps")
    @classmethod
    def _configmaps(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not all(name.split("/")) or name.count("/") > 1:
                raise ValueError(f"expected [namespace/]name, found {name!r}")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            _, scheme, rest = origin.partition("://")
            if origin not in ("*", "null") and (not scheme or "/" in rest.removesuffix("/")):
                raise ValueError(f"expected origins such as https://example.com, found {origin!r}")
        return tuple(origin.removesuffix("/") for origin in value)

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if "/" in host or ":" in host:
                raise ValueError(f"expected host names without scheme and port, found {host!r}")
        return value

    @field_validator("listen", "admin_listen")
    @classmethod
    def _address(cls, value: str) -> str:
        address(value)
        return value


def read_settings(flags: dict[str, Any] | None = None) -> Settings:
    """Flags win over the environment. Raises StartError with every setting that is wrong, on one
    line.
    """
    given = {k: v for k, v in (flags or {}).items() if v is not None}
    try:
        return Settings(**given)
    except ValidationError as e:
        raise StartError(what_is_wrong(e, PREFIX)) from None


def what_is_wrong(error: ValidationError, prefix: str) -> str:
    """Every setting that is wrong, by its variable's name, on one line."""
    return "; ".join(
        _told(
            f"{prefix}{'.'.join(map(str, p['loc'])).upper()}" if p["loc"] else "",
            p["msg"].removeprefix("Value error, "),
            p["input"],
        )
        for p in error.errors()
    )


def _told(name: str, message: str, found: object) -> str:
    if not name:  # of several settings together, which the message names
        return message
    return f"{name}: {message}" if "found" in message else f"{name}: {message}, found {found!r}"


def log_format(settings: Settings, stream: TextIO | None = None) -> str:
    """Of what is written to this stream, by default stderr: for people on a terminal."""
    stream = stream or sys.stderr
    return settings.log_format or ("console" if stream.isatty() else "json")
