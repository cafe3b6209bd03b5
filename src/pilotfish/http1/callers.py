"""Which requests come from where they may: the names that this server is called by, and the web
pages that may call it. Pure.

A server on a developer's machine can be reached by every page that is open in the browser there. A
browser says so: it sends `Origin` with what a page asks for, and the name that the page used as
`Host`, which is another name than ours where a page has its own name point here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from fnmatch import translate

from pilotfish.http1.request_head import RefusedRequest

# uri-host [":" port] of RFC 9110 7.2, whose parts RFC 3986 3.2 spells. Empty where a target has no
# authority.
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
# Values of `Host` that are known to be ours. Bounded, since a client may make up any number.
KEPT_HOSTS = 256
_FOREIGN_SITES = (b"cross-site", b"same-site")


class AllowedCallers:
    """`origins`: pages that may call, such as `https://chat.example.com`; `hosts`: names that are
    ours beside IP addresses, `localhost`, names without a dot, `*.svc` and `*.svc.*`. Both may hold
    `*` for any text. `serves_pages`: the server has a page of its own, which may be linked to from
    others.
    """

    def __init__(
        self,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        *,
        serves_pages: bool = False,
    ) -> None:
        self.good_hosts: set[bytes] = set()
        self._origins = _any_of(origins)
        self._hosts = _any_of(hosts)
        self._serves_pages = serves_pages

    def refusal(
        self, host: bytes | None, origin: bytes | None, site: bytes | None
    ) -> RefusedRequest | None:
        """Why a request with these values of `host`, `origin` and `sec-fetch-site` is not served;
        None if it is.
        """
        if host and host not in self.good_hosts:
            if _HOST.fullmatch(host) is None:
                return RefusedRequest(400, "the host header is not a host with a port")
            if not self._is_ours(_name_of(host)):
                return RefusedRequest(
                    403,
                    f"host {_shown(host)} is not a name of this proxy; "
                    "PILOTFISH_ALLOWED_HOSTS says which are, beside addresses and cluster names",
                )
            if len(self.good_hosts) < KEPT_HOSTS:
                self.good_hosts.add(host)
        if origin is not None:
            if self.allows_origin(origin) or self._is_own_origin(origin, host or b""):
                return None
            return RefusedRequest(
                403,
                f"web pages of origin {_shown(origin)} may not call this proxy; "
                "PILOTFISH_ALLOWED_ORIGINS says which may",
            )
        if site is not None and site.lower() in _FOREIGN_SITES and not self._serves_pages:
            return RefusedRequest(403, "other web sites may not call this proxy from a browser")
        return None

    def allows_origin(self, origin: bytes) -> bool:
        """Whether pages of this origin may call, as the settings say."""
        return self._origins.fullmatch(origin.decode("latin-1").lower()) is not None

    def page_of(self, origin: bytes | None) -> bytes:
        """The origin, if pages of it may read answers; else empty."""
        return origin if origin is not None and self.allows_origin(origin) else b""

    def _is_ours(self, name: str) -> bool:
        return (
            _is_local(name)
            or name.endswith(".svc")
            or ".svc." in name
            or self._hosts.fullmatch(name) is not None
        )

    def _is_own_origin(self, origin: bytes, host: bytes) -> bool:
        """Whether the origin is this server itself, called by a name that no stranger can have
        point here: everybody may own a name with `.svc.` in it. Some clients that are no browsers
        send such an origin with a WebSocket's request.
        """
        _, scheme, authority = origin.lower().partition(b"://")
        if not scheme or authority != host.lower():
            return False
        name = _name_of(host)
        return _is_local(name) or self._hosts.fullmatch(name) is not None


def _name_of(host: bytes) -> str:
    """Without the port, brackets and the dot at the end; in lower case."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1 : text.index("]")]
    return text.partition(":")[0].removesuffix(".")


def _is_local(name: str) -> bool:
    """An IP address, or a name without a dot: nobody else can own it."""
    if "." not in name and ":" not in name:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Matches what one of these patterns does, and nothing where there is none."""
    return re.compile("|".join(translate(p.lower()) for p in patterns) or r"(?!)")


def _shown(value: bytes) -> str:
    return repr(value[:100].decode("latin-1"))
