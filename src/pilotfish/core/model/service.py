"""Providers and services as the rules configure them: frozen, with every default resolved. Times
are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.budget import DayBudget
from pilotfish.core.model.price import Price
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.request_settings import RequestSettings

# The window of a service's statistics where the rules give none, or a value of 0 or less.
TIME_WINDOW_S = 300.0
# As the model of a service: the one that the request asks for.
REQUESTED = "@requested"
# What metrics call models that only clients name.
OTHER_MODEL = "other"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is. `source` is `env` (`name`: the variable), `file` (`name`: the path),
    `secret` (`name` and `key` of a mounted Kubernetes Secret) or `literal` (`value`). Its repr
    shows no value.
    """

    source: str
    name: str = ""
    key: str = ""
    value: str = field(default="", repr=False)

    def __str__(self) -> str:
        return {
            "env": f"environment variable {self.name}",
            "file": f"file {self.name}",
            "secret": f"secret {self.name}/{self.key}",
        }.get(self.source, "a literal key")


@dataclass(frozen=True, slots=True)
class Limits:
    """The rules' own rate limits for a provider or a service; None: no limit of that kind."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class OAuth:
    """OAuth credentials of a provider. `expires_at`: RFC 3339, empty if not known. `token_url`:
    where tokens are renewed, empty if not known; it takes a form, or JSON. `extra_fields`: what it
    takes besides, such as `client_id`. `user_id`: whose credentials they are, for people.
    """

    access_token: SecretRef | None = None
    refresh_token: SecretRef | None = None
    provider_type: str = ""
    expires_at: str = ""
    token_url: str = ""
    as_json: bool = False
    user_id: str = ""
    extra_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """An account at a vendor.

    `base`: base URL with the version, without a trailing slash; `paths` are appended to it.
    `headers`: (lower-case name, value), sent with every request. `models`: the only models it may
    be asked for, None for any. `timeout_s`: for a whole request, None for the rule's own.
    `ca_file`: PEM bundle of authorities instead of the system's. `settings`: what the rules set in
    its requests. `headers` and `proxy_url` may hold secrets, so a repr leaves them out.
    `among_others`: not all providers speak the same styles, so that a conversation may come to it
    that a vendor of another style has served before.
    """

    name: str
    kind: ProviderKind
    base: str
    style: str
    paths: Mapping[str, str]
    query: str = ""
    tokens: tuple[SecretRef, ...] = ()
    no_key_required: bool = False
    enabled: bool = True
    proxy_url: str = field(default="", repr=False)
    timeout_s: float | None = None
    tags: tuple[str, ...] = ()
    models: frozenset[str] | None = None
    default_model: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth_type: str = "api_key"
    oauth: OAuth | None = None
    default_model_capacity: int | None = None
    limits: Limits = Limits()
    options: Mapping[str, Any] = field(default_factory=dict)
    ca_file: str = ""
    budgets: DayBudget | None = None
    attribution: str = "auto"
    settings: RequestSettings | None = None
    among_others: bool = False


# The models that a provider's vendor is known to have; None where nobody knows.
ModelsOf = Callable[[Provider], Collection[str] | None]


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One provider + one model inside a rule.

    `tier`: services of tier 1 are used when none of tier 0 is usable, and so on. `model_capacity`:
    requests it serves at once, for capacity_based. `priority`: of a virtual model's participant,
    larger wins. `fallback`: the reasons (`context_length`, `content_policy`) for which it may take
    over from another service. `id`: "provider/model"; `id_header` is the same as a header value,
    `model_json` the model's name as JSON, spliced into request bodies. `label`: what metrics call
    the model: `model`, or `OTHER_MODEL` for one that only clients name.
    `settings`: what the rules set in its requests, the provider's included; None: nothing.
    `thinks`: by these settings it is asked to think, so that it takes longer.

    A service whose `model` is `REQUESTED` stands for one service for each model that is asked for;
    `core.routing.requested` makes those.
    """

    provider: Provider
    model: str
    rule: str
    weight: float = 1.0
    active: bool = True
    time_window_s: float = TIME_WINDOW_S
    tier: int = 0
    model_capacity: int | None = None
    priority: int = 0
    limits: Limits = Limits()
    quirks: Quirks = Quirks()
    fallback: frozenset[str] = frozenset()
    id: str = ""
    id_header: bytes = b""
    model_json: bytes = b""
    label: str = ""
    settings: RequestSettings | None = None
    thinks: bool = False
    price: Price | None = None
