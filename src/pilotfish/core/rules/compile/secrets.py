"""Compiles references to secrets: {env: NAME}, {file: PATH}, {secret: {name: NAME, key: KEY}}.
Problems never repeat a value.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pilotfish.core.model.service import SecretRef
from pilotfish.core.rules.compile.findings import Findings, Place
from pilotfish.core.rules.schema.base import SecretSource

FORMS = "{env: NAME}, {file: PATH} or {secret: {name: NAME, key: KEY}}"
_SOURCE: TypeAdapter[SecretSource] = TypeAdapter(SecretSource)
# Endings of the keys in a free map (`oauth_detail.extra_fields`) whose text is a secret.
_SECRET_ENDINGS = ("secret", "token", "key", "password", "assertion")
# As Kubernetes has them; shells take fewer.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# How vendors' keys begin, and long words of small letters and digits. Names of Secrets such as
# `hf-token` and `openai-eu-west-1` are none.
_KEY = re.compile(
    r"(?:sk|rk|gsk|hf|gh[opsu]|github_pat|r8|fw|xai|csk|pplx|nvapi|tgp)[-_](?=.*[0-9])[\w-]{12,}$"
    r"|AIza\w{12}|ya29\.|eyJ\w{12}|A[KS]IA[A-Z0-9]{12}|(?i:bearer|basic)\s"
    r"|(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9]{24,}=*$"
)


def secret_ref(
    value: SecretSource | str, place: Place, allow_inline: bool, findings: Findings
) -> SecretRef:
    """The reference; a problem for a literal, unless `allow_inline`."""
    if isinstance(value, str):
        if not allow_inline:
            findings.add(
                place,
                (
                    "a literal key is refused (PILOTFISH_ALLOW_INLINE_SECRETS is off); expected "
                    f"{FORMS}"
                ),
            )
        return SecretRef("literal", value=value)
    given = [name for name in ("env", "file", "secret") if getattr(value, name) is not None]
    if len(given) != 1:
        findings.add(
            place, f"expected exactly one of {FORMS}, found {' and '.join(given) or 'none of them'}"
        )
    if value.env is not None and (
        not _VARIABLE.fullmatch(value.env)
        or value.env.startswith("sk-")
        or looks_like_a_key(value.env)
    ):
        findings.add(place.at("env"), _not_a_name("the name of an environment variable"))
    if value.file is not None and looks_like_a_key(value.file):
        findings.add(place.at("file"), _not_a_name("the path of a file"))
    if value.secret is not None:
        for key, part in (("name", value.secret.name), ("key", value.secret.key)):
            if part.startswith(".") or "/" in part or looks_like_a_key(part):
                findings.add(place.at("secret", key), _not_a_name(f"the {key} of a Secret"))
        return SecretRef("secret", value.secret.name, value.secret.key)
    return (
        SecretRef("env", value.env)
        if value.env is not None
        else SecretRef("file", value.file or "")
    )


def looks_like_a_key(text: str) -> bool:
    """Whether a key itself stands where the name of its place belongs."""
    return _KEY.match(text) is not None


def _not_a_name(wanted: str) -> str:
    return f"expected {wanted}; what stands here is none, and is not repeated: it may be a key"


def raw_secret(value: object, place: Place, allow_inline: bool, findings: Findings) -> SecretRef:
    """As `secret_ref`, for a value that the schema does not check: an option of a kind."""
    if isinstance(value, str):
        return secret_ref(value, place, allow_inline, findings)
    try:
        source = _SOURCE.validate_python(value)
    except ValidationError:
        findings.add(place, f"expected {FORMS}")
        return SecretRef("literal")
    return secret_ref(source, place, allow_inline, findings)


def free_map(
    values: dict[str, Any], place: Place, allow_inline: bool, findings: Findings
) -> dict[str, Any]:
    """A map with any keys, in which references to secrets are compiled, and text under a key that
    names a secret is treated as a literal secret.
    """
    out: dict[str, Any] = {}
    for key, value in values.items():
        reference = (
            isinstance(value, dict)
            and len(value) == 1
            and next(iter(value)) in ("env", "file", "secret")
        )
        if reference or (isinstance(value, str) and key.lower().endswith(_SECRET_ENDINGS)):
            out[key] = raw_secret(value, place.at(key), allow_inline, findings)
        else:
            out[key] = value
    return out
