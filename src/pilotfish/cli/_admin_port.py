"""Asks a running proxy's admin port, for the commands that do."""

from __future__ import annotations

import http.client
import json
from typing import Any

from pilotfish.errors import StartError

DEFAULT = "127.0.0.1:14001"
TIMEOUT_S = 5.0


def address_of(admin: str) -> str:
    """HOST:PORT, also of what was copied from a browser."""
    return admin.removeprefix("http://").rstrip("/")


def asked(
    admin: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """The status, and the body where it is JSON, of a GET, or with a body of a POST. Raises
    StartError where no proxy answers.
    """
    address = address_of(admin)
    try:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    except http.client.InvalidURL as e:
        raise StartError(f"--admin: expected HOST:PORT, found {admin!r} ({e})") from None
    sent = {**(headers or {}), **({} if body is None else {"content-type": "application/json"})}
    try:
        connection.request("GET" if body is None else "POST", path, body, sent)
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as e:
        why = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise StartError(
            f"no proxy answers at {address}: {why}; "
            "expected the admin address of a running one (--admin HOST:PORT)"
        ) from None
    finally:
        connection.close()
    try:
        return answer.status, json.loads(data)
    except ValueError:
        return answer.status, None
