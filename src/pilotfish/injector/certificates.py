"""Certificates without cert-manager: the leader makes them, one Secret shares them, every replica
serves them.

The Secret is the only truth. It is written with the version that was read, so two leaders (there
should never be) cannot both win.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from pilotfish.injector import pki
from pilotfish.injector.certificate_rotation import Held, Lifetimes, Step, due_at, next_step
from pilotfish.injector.tls import Tls
from pilotfish.injector.trust import Trust
from pilotfish.kube.client import ApiError, Kube
from pilotfish.kube.watching import Changed, Listed, Pace, WatchTarget, watched

AUTHORITY, LEAF, NEXT, BUNDLE = "ca", "tls", "next-ca", "ca-bundle.crt"
ANNOUNCED = "pilotfish.dev/announced-at"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SharedCertificates:
    """Where the certificates are shared, whom they are for, and which webhook configurations must
    trust them.
    """

    namespace: str
    secret: str
    names: Sequence[str]
    webhooks: str
    lifetimes: Lifetimes = Lifetimes()

    @property
    def secrets_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets"


async def follow_secret(
    kube: Kube,
    shared: SharedCertificates,
    tls: Tls,
    trust: Trust,
    pace: Pace,
    changed: asyncio.Event,
) -> None:
    """Every replica: serves what the Secret holds, as soon as it changes. Sets `changed` then."""
    target = WatchTarget(
        shared.secrets_path, (("fieldSelector", f"metadata.name={shared.secret}"),)
    )
    async with aclosing(watched(kube, target, pace)) as happenings:
        async for happening in happenings:
            match happening:
                case Listed(objects=[secret]) | Changed(kind="ADDED" | "MODIFIED", object=secret):
                    _install(tls, trust, secret)
            if isinstance(happening, Listed | Changed):
                changed.set()


async def follow_webhooks(
    kube: Kube,
    shared: SharedCertificates,
    kind: str,
    trust: Trust,
    pace: Pace,
    changed: asyncio.Event,
) -> None:
    """Tells `trust` what a webhook configuration of ours names, and sets `changed` when it changes:
    an upgrade or another program may have taken the bundle away.
    """
    target = WatchTarget(
        f"{ADMISSION}/{kind}", (("fieldSelector", f"metadata.name={shared.webhooks}"),)
    )
    async with aclosing(watched(kube, target, pace)) as happenings:
        async for happening in happenings:
            match happening:
                case Listed(objects=[configuration]):
                    trust.configured(kind, configuration)
                case Changed(kind="ADDED" | "MODIFIED", object=configuration):
                    trust.configured(kind, configuration)
                case Listed() | Changed():
                    trust.configured(kind, None)
            if isinstance(happening, Listed | Changed):
                changed.set()


def _install(tls: Tls, trust: Trust, secret: dict[str, Any]) -> None:
    pair = _pair(secret, LEAF)
    if pair is None:
        return
    try:
        if tls.install(pair):
            trust.signed_by(_data(secret, f"{AUTHORITY}.crt"))
            log.info(
                "certificate installed",
                expires_at=datetime.fromtimestamp(tls.expires_at, UTC).isoformat(),
            )
    except ValueError as wrong:
        log.warning(
            "the shared certificate cannot be used; the one before stays in use", error=str(wrong)
        )


class Keeper:
    """The leader's part: one `step` looks, does the one thing that is due, and makes the webhooks
    trust the bundle.
    """

    def __init__(self, kube: Kube, shared: SharedCertificates, now: Callable[[], float]) -> None:
        self._kube, self._shared, self._now = kube, shared, now
        # Seconds until the next step will have something to do, if nobody changes the Secret.
        self.due_in_s = 0.0

    async def step(self) -> Step:
        """Raises `ApiError` or `Lost`; nothing is half done then, the next step looks anew."""
        secret = await self._read()
        # First of all what is there must be trusted: a switch may only follow a bundle that is in
        # force.
        if bundle := _data(secret, BUNDLE):
            await self._trust(bundle)
        held, lifetimes = _held(secret, self._shared.names), self._shared.lifetimes
        step = next_step(held, lifetimes, self._now())
        self.due_in_s = max(0.0, due_at(held, lifetimes) - self._now()) if held else 0.0
        if step is not Step.NOTHING:
            await self._write(secret, step)
            await self._trust(_data(secret, BUNDLE))
            log.info("certificates changed", step=step.value, secret=self._shared.secret)
        return step

    async def _read(self) -> dict[str, Any]:
        try:
            secret: dict[str, Any] = await self._kube.request(
                "GET", f"{self._shared.secrets_path}/{self._shared.secret}"
            )
        except ApiError as wrong:
            if wrong.status != 404:
                raise
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self._shared.secret},
                "type": "Opaque",
            }
            secret = await self._kube.request("POST", self._shared.secrets_path, body=body)
        return secret

    async def _write(self, secret: dict[str, Any], step: Step) -> None:
        """Changes `secret` by one step, here and in the cluster."""
        now = datetime.fromtimestamp(self._now(), UTC)
        lifetimes = self._shared.lifetimes
        authority, following = _pair(secret, AUTHORITY), _pair(secret, NEXT)
        trusted = [_data(secret, BUNDLE)]
        annotations = secret["metadata"].setdefault("annotations", {}) or {}
        secret["metadata"]["annotations"] = annotations
        if step is Step.ANNOUNCE:
            following = pki.new_authority(now, timedelta(seconds=lifetimes.authority_s))
            annotations[ANNOUNCED] = str(self._now())
            trusted.append(following.certificate)
        else:
            if step is Step.CREATE:
                authority, following = (
                    pki.new_authority(now, timedelta(seconds=lifetimes.authority_s)),
                    None,
                )
            elif step is Step.SWITCH:
                authority, following = following, None
            if authority is None:
                raise ValueError(f"no authority to do {step.value} with")
            if following is None:
                annotations.pop(ANNOUNCED, None)
            trusted.insert(0, authority.certificate)
            _put(
                secret,
                LEAF,
                pki.new_leaf(
                    authority, self._shared.names, now, timedelta(seconds=lifetimes.leaf_s)
                ),
            )
        _put(secret, AUTHORITY, authority)
        _put(secret, NEXT, following)
        secret["data"][BUNDLE] = base64.b64encode(pki.bundle(trusted, now)).decode()
        secret["metadata"].pop("managedFields", None)
        written = await self._kube.request(
            "PUT", f"{self._shared.secrets_path}/{self._shared.secret}", body=secret
        )
        secret["metadata"] = written["metadata"]

    async def _trust(self, bundle: bytes) -> None:
        """Puts the bundle into every webhook of ours that has another one. A configuration that is
        not there is not ours to make.
        """
        text = base64.b64encode(bundle).decode()
        for kind in WEBHOOKS:
            path = f"{ADMISSION}/{kind}/{self._shared.webhooks}"
            try:
                webhooks = (await self._kube.request("GET", path)).get("webhooks") or []
            except ApiError as wrong:
                if wrong.status == 404:
                    continue
                raise
            # A test on the name guards against a configuration that was changed between our look
            # and our patch.
            patch = [
                operation
                for index, webhook in enumerate(webhooks)
                if (webhook.get("clientConfig") or {}).get("caBundle") != text
                for operation in (
                    {"op": "test", "path": f"/webhooks/{index}/name", "value": webhook["name"]},
                    {
                        "op": "add",
                        "path": f"/webhooks/{index}/clientConfig/caBundle",
                        "value": text,
                    },
                )
            ]
            if patch:
                await self._kube.request(
                    "PATCH", path, body=patch, content_type="application/json-patch+json"
                )


def _held(secret: dict[str, Any], names: Sequence[str]) -> Held | None:
    authority, leaf = _pair(secret, AUTHORITY), _pair(secret, LEAF)
    if authority is None or leaf is None or not _data(secret, BUNDLE):
        return None
    announced = (
        (secret["metadata"].get("annotations") or {}).get(ANNOUNCED)
        if _pair(secret, NEXT)
        else None
    )
    try:
        return Held(
            pki.expiry(authority.certificate).timestamp(),
            pki.expiry(leaf.certificate).timestamp(),
            pki.is_signed_by(leaf.certificate, authority.certificate)
            and pki.covers(leaf.certificate, names),
            float(announced) if announced else None,
        )
    except ValueError as wrong:
        log.warning("the shared certificates are not readable and made anew", error=str(wrong))
        return None


def _data(secret: dict[str, Any], key: str) -> bytes:
    return base64.b64decode((secret.get("data") or {}).get(key) or "")


def _pair(secret: dict[str, Any], prefix: str) -> pki.Pair | None:
    certificate, key = _data(secret, f"{prefix}.crt"), _data(secret, f"{prefix}.key")
    return pki.Pair(certificate, key) if certificate and key else None


def _put(secret: dict[str, Any], prefix: str, pair: pki.Pair | None) -> None:
    data = secret["data"] = secret.get("data") or {}
    for suffix, content in (("crt", pair and pair.certificate), ("key", pair and pair.key)):
        if content:
            data[f"{prefix}.{suffix}"] = base64.b64encode(content).decode()
        else:
            data.pop(f"{prefix}.{suffix}", None)
