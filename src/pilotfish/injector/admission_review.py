"""AdmissionReview (admission.k8s.io/v1): what the API server asks, and our answers."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The API server cuts warnings: 256 characters each where there is one, 4096 in all. Longer ones
# would lose their end there.
_WARNING_LIMIT = 256
_WARNINGS = 16


@dataclass(frozen=True, slots=True)
class Review:
    """One question. `namespace` is the request's: at admission a Pod of a ReplicaSet has neither a
    namespace nor a name of its own.
    """

    uid: str
    api_version: str
    kind: str
    namespace: str
    operation: str
    dry_run: bool
    object: dict[str, Any]

    @property
    def name(self) -> str:
        """The object's name for people: that of a Pod without one ends with `*`."""
        metadata = self.object.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        return str(metadata.get("name") or f"{metadata.get('generateName') or '?'}*")


def read_review(body: bytes) -> Review:
    """Raises ValueError, saying what was expected, for anything that is not an AdmissionReview with
    an object.
    """
    try:
        review = json.loads(body)
        request = review["request"]
        return Review(
            uid=str(request["uid"]),
            api_version=str(review["apiVersion"]),
            kind=str(request["kind"]["kind"]),
            namespace=str(request.get("namespace") or ""),
            operation=str(request.get("operation") or ""),
            dry_run=bool(request.get("dryRun")),
            object=dict(request["object"] or {}),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as wrong:
        raise ValueError(
            f"expected an AdmissionReview with a request, found {type(wrong).__name__}: {wrong}"
        ) from None


_UID = re.compile(rb'"uid"\s*:\s*"([0-9A-Za-z-]{1,64})"')


def unread_review(body: bytes) -> Review:
    """What must be known of a review to answer it that is too large to be read. The API server
    writes the request's id first. Raises ValueError.
    """
    found = _UID.search(body, 0, 4096)
    if found is None:
        raise ValueError("expected an AdmissionReview that begins with its id")
    uid = found[1].decode()
    return Review(uid, "admission.k8s.io/v1", "Pod", "", "CREATE", dry_run=False, object={})


def allowed(
    review: Review, patch: Sequence[Mapping[str, Any]] = (), warnings: Sequence[str] = ()
) -> dict[str, Any]:
    response: dict[str, Any] = {"uid": review.uid, "allowed": True}
    if patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(
            json.dumps(patch, separators=(",", ":")).encode()
        ).decode()
    if warnings:
        response["warnings"] = [_short(f"pilotfish: {warning}") for warning in warnings[:_WARNINGS]]
    return {"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response}


def denied(review: Review, message: str) -> dict[str, Any]:
    response = {
        "uid": review.uid,
        "allowed": False,
        "status": {"code": 422, "reason": "Invalid", "message": message},
    }
    return {"apiVersion": review.api_version, "kind": "AdmissionReview", "response": response}


def _short(warning: str) -> str:
    return warning if len(warning) <= _WARNING_LIMIT else warning[: _WARNING_LIMIT - 4] + " ..."
