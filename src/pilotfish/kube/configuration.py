"""How the API server is reached, and as whom: a Pod's mounted service account, or a kubeconfig.
Both are read by the official client's own loaders; here are the few cases that these leave open.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from pilotfish.errors import StartError

TOKEN_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_BEARER = "BearerToken"


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Which cluster: a kubeconfig's current context, or (where that is empty) the one this Pod runs
    in, with the service account mounted at `token_dir`.
    """

    kubeconfig: str = ""
    token_dir: Path = field(default_factory=lambda: TOKEN_DIR)


def own_namespace(access: ClusterAccess) -> str:
    """The namespace that the mounted token belongs to; `default` where no file names it."""
    try:
        return (access.token_dir / "namespace").read_text().strip() or "default"
    except OSError:
        return "default"


async def load_configuration(
    access: ClusterAccess, environ: Mapping[str, str] = os.environ
) -> Configuration:
    """The client's configuration, read anew at each call. Raises `StartError` where no cluster is
    configured, or its files cannot be read.
    """
    try:
        configuration = (
            await _from_kubeconfig(access.kubeconfig)
            if access.kubeconfig
            else _in_cluster(access.token_dir, environ)
        )
    except Exception as wrong:  # the loaders raise their own, ValueError, KeyError and OSError
        place = access.kubeconfig or access.token_dir
        raise StartError(f"cannot read {place} to reach the Kubernetes API: {wrong}") from wrong
    # Python 3.13 refuses authorities without the key identifiers that many clusters' own
    # certificates lack.
    configuration.disable_strict_ssl_verification = True
    return configuration


def _in_cluster(token_dir: Path, environ: Mapping[str, str]) -> Configuration:
    loader = InClusterConfigLoader(
        str(token_dir / "token"), str(token_dir / "ca.crt"), environ=environ
    )
    configuration = Configuration()
    loader.load_and_set(configuration)
    if not _has_token(configuration):
        raise ConfigException(f"{token_dir / 'token'} is empty, expected a token")
    read_token = configuration.refresh_api_key_hook

    def refresh(configuration: Configuration) -> None:
        """Reads the token file again once a minute, for the kubelet renews it in place."""
        try:
            read_token(configuration)
        except (OSError, ConfigException):
            # Between two versions of the mount: the token before is valid for minutes yet.
            return
        _has_token(configuration)
        configuration.refresh_api_key_hook = refresh

    configuration.refresh_api_key_hook = refresh
    # The API server of the Pod's own cluster is never behind the proxy that HTTPS_PROXY names for
    # the vendors.
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


def _has_token(configuration: Any) -> bool:
    """Whether there is one. Takes away the newline that the loader keeps, and no header may hold,
    and writes the scheme as every server knows it.
    """
    token = configuration.api_key[_BEARER].removeprefix("bearer ").strip()
    configuration.api_key[_BEARER] = f"Bearer {token}"
    return bool(token)


async def _from_kubeconfig(path: str) -> Configuration:
    configuration = Configuration()
    await load_kube_config(
        config_file=path, client_configuration=configuration, persist_config=False
    )
    if configuration.proxy and not configuration.proxy.startswith(("http://", "https://")):
        raise ConfigException(
            f"proxy-url: expected http:// or https://, found {configuration.proxy!r}"
        )
    return configuration
