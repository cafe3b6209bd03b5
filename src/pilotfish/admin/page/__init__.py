"""The status page: one static file, and headers that let it load nothing from elsewhere and connect
to nothing but this port.

What the page shows is not here but in `admin.status` and `telemetry.access_log`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

TYPE = "text/html; charset=utf-8"


def content() -> bytes:
    """The whole page: style and script stand in it, so that it loads nothing."""
    page = _file("index.html")
    for name in ("style.css", "script.js"):
        page = page.replace(b"/* %b */" % name.encode(), b"\n" + _file(name), 1)
    return page


def _file(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()


def headers(page: bytes) -> dict[str, str]:
    """A policy that allows its own script and style by their hashes and nothing else, so that no
    text that it shows is ever run.
    """

    def hashes(tag: bytes) -> str:
        found = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
        return " ".join(f"'sha256-{b64encode(sha256(text).digest()).decode()}'" for text in found)

    policy = {
        "default-src": "'none'",
        "script-src": hashes(b"script"),
        "style-src": hashes(b"style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(
            f"{name} {sources}" for name, sources in policy.items()
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
