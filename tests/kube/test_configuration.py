"""Who we are to the API server: a Pod's mounted account, and what a kubeconfig may say. Over TLS,
since that is what a cluster speaks.
"""

import asyncio
import json
import ssl
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from kube.fake_api import fake_api
from pilotfish.errors import StartError
from pilotfish.injector.pki import new_authority, new_leaf
from pilotfish.kube.client import ApiError, Kube, Lost
from pilotfish.kube.configuration import ClusterAccess, load_configuration, own_namespace

MAPS = "/api/v1/namespaces/shop/configmaps"
HOUR = timedelta(hours=1)


@pytest.fixture
async def cluster(tmp_path):
    """An API server with TLS, and a folder as a Pod has it mounted."""
    authority = new_authority(datetime.now(UTC), HOUR)
    leaf = new_leaf(authority, ["127.0.0.1", "api.example"], datetime.now(UTC), HOUR)
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "token").write_text("first-token\n")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "leaf.pem")
    async with fake_api(context) as api:
        api.objects[MAPS] = {}
        environ = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": api.base.rpartition(":")[2],
        }
        yield SimpleNamespace(api=api, folder=tmp_path, environ=environ, context=context)


@pytest.fixture
async def pod(cluster):
    kube = Kube(
        lambda: load_configuration(ClusterAccess(token_dir=cluster.folder), cluster.environ)
    )
    yield kube
    await kube.close()


def kubeconfig(cluster, user=None, **more):
    """A kubeconfig for that server; `more` are keys of its cluster."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": cluster.api.base, **more}}],
        "users": [{"name": "u", "user": user or {"token": "token-of-a-person"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = cluster.folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return ClusterAccess(kubeconfig=str(path))


async def asked(where):
    kube = Kube.at(where)
    try:
        return await kube.request("GET", MAPS)
    finally:
        await kube.close()


# ---- nowhere


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("token", "cannot read .* to reach the Kubernetes API: .*token file does not exist"),
        ("ca.crt", "cannot read .* to reach the Kubernetes API: .*certification file does not"),
        ("host", "cannot read .* to reach the Kubernetes API: Service host/port is not set"),
    ],
)
async def test_a_pod_that_lacks_something_says_what(cluster, missing, told):
    if missing == "host":
        cluster.environ.clear()
    else:
        (cluster.folder / missing).unlink()
    with pytest.raises(StartError, match=told):
        await load_configuration(ClusterAccess(token_dir=cluster.folder), cluster.environ)


async def test_an_empty_token_is_no_token(cluster):
    (cluster.folder / "token").write_text("\n")
    with pytest.raises(StartError, match="is empty, expected a token"):
        await load_configuration(ClusterAccess(token_dir=cluster.folder), cluster.environ)


async def test_a_kubeconfig_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(StartError, match=r"cannot read .*/nowhere to reach the Kubernetes API"):
        await load_configuration(ClusterAccess(kubeconfig=str(tmp_path / "nowhere")))


# ---- in a Pod


async def test_a_server_of_another_authority_is_not_talked_to(cluster, pod):
    (cluster.folder / "ca.crt").write_bytes(new_authority(datetime.now(UTC), HOUR).certificate)
    with pytest.raises(Lost, match="certificate is not trusted"):
        await pod.request("GET", MAPS)
    assert cluster.api.requests == []


async def test_a_rotated_authority_costs_one_request(cluster, pod):
    await pod.request("GET", MAPS)
    authority = new_authority(datetime.now(UTC), HOUR)
    leaf = new_leaf(authority, ["127.0.0.1"], datetime.now(UTC), HOUR)
    (cluster.folder / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    cluster.context.load_cert_chain(cluster.folder / "leaf.pem")
    (cluster.folder / "ca.crt").write_bytes(authority.certificate)
    cluster.api.close_connections()
    with pytest.raises(Lost, match="certificate is not trusted"):
        await pod.request("GET", MAPS)
    assert (await pod.request("GET", MAPS))["items"] == []


async def test_the_mounted_account_is_who_we_are(cluster, pod):
    assert (await pod.request("GET", MAPS))["items"] == []
    assert cluster.api.tokens == ["Bearer first-token"]


async def test_a_token_that_was_renewed_in_place_is_used_after_a_while(cluster, pod, monkeypatch):
    await pod.request("GET", MAPS)
    (cluster.folder / "token").write_text("second-token")
    await pod.request("GET", MAPS)
    later = SimpleNamespace(now=lambda: datetime.now() + timedelta(minutes=2))  # noqa: DTZ005
    clock = SimpleNamespace(datetime=later, timedelta=timedelta)
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.datetime", clock)
    await pod.request("GET", MAPS)
    later.now = lambda: datetime.now() + timedelta(minutes=9)  # noqa: DTZ005
    (cluster.folder / "token").unlink()  # between two versions of the mount
    await pod.request("GET", MAPS)
    assert cluster.api.tokens == ["Bearer first-token"] * 2 + ["Bearer second-token"] * 2


async def test_a_refused_token_is_read_at_once(cluster, pod):
    await pod.request("GET", MAPS)
    (cluster.folder / "token").write_text("second-token")
    cluster.api.refusals = [401]
    with pytest.raises(ApiError):
        await pod.request("GET", MAPS)
    await pod.request("GET", MAPS)
    assert cluster.api.tokens[-1] == "Bearer second-token"


async def test_an_address_of_version_6_is_bracketed(cluster):
    found = await load_configuration(
        ClusterAccess(token_dir=cluster.folder),
        {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"},
    )
    assert found.host == "https://[fd00::1]:6443"


async def test_the_proxy_for_the_vendors_is_not_asked_for_the_api_server(cluster, pod, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    await pod.request("GET", MAPS)


async def test_an_authority_that_is_no_certificate_is_one_clear_line(cluster, pod):
    (cluster.folder / "ca.crt").write_text("not a certificate")
    with pytest.raises(StartError, match=r"certificates .* cannot be used"):
        await pod.request("GET", MAPS)


def test_the_namespace_comes_with_the_token(tmp_path):
    assert own_namespace(ClusterAccess(token_dir=tmp_path)) == "default"
    (tmp_path / "namespace").write_text("shop\n")
    assert own_namespace(ClusterAccess(token_dir=tmp_path)) == "shop"


# ---- by a kubeconfig


async def test_a_certificate_for_another_name_is_refused_unless_that_name_is_expected(cluster):
    ca = str(cluster.folder / "ca.crt")
    with pytest.raises(Lost, match="certificate is not trusted"):
        await asked(
            kubeconfig(
                cluster, **{"certificate-authority": ca, "tls-server-name": "elsewhere.example"}
            )
        )
    await asked(
        kubeconfig(cluster, **{"certificate-authority": ca, "tls-server-name": "api.example"})
    )


async def test_no_authority_means_the_systems_and_not_none(cluster):
    with pytest.raises(Lost, match="certificate is not trusted"):
        await asked(kubeconfig(cluster))


async def test_verification_can_be_waived(cluster):
    assert (await asked(kubeconfig(cluster, **{"insecure-skip-tls-verify": True})))["items"] == []
    assert cluster.api.tokens == ["Bearer token-of-a-person"]


async def test_a_plugin_gives_the_token(cluster):
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "token-of-a-plugin"},
    }
    program = {
        "apiVersion": credential["apiVersion"],
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(credential)!r})"],
    }
    await asked(
        kubeconfig(
            cluster, {"exec": program}, **{"certificate-authority": str(cluster.folder / "ca.crt")}
        )
    )
    assert cluster.api.tokens == ["Bearer token-of-a-plugin"]


async def test_a_client_certificate_is_shown(cluster):
    person = new_leaf(new_authority(datetime.now(UTC), HOUR), ["a-person"], datetime.now(UTC), HOUR)
    for name, content in (("me.crt", person.certificate), ("me.key", person.key)):
        (cluster.folder / name).write_bytes(content)
    user = {
        "client-certificate": str(cluster.folder / "me.crt"),
        "client-key": str(cluster.folder / "me.key"),
    }
    cluster.context.verify_mode = (
        ssl.CERT_OPTIONAL
    )  # of an authority that this server does not know: only who shows one is refused
    where = kubeconfig(cluster, user, **{"certificate-authority": str(cluster.folder / "ca.crt")})
    with pytest.raises(Lost):
        await asked(where)


async def test_a_server_below_a_path_is_asked_there(cluster):
    where = kubeconfig(
        cluster,
        **{
            "certificate-authority": str(cluster.folder / "ca.crt"),
            "server": f"{cluster.api.base}/k8s/clusters/c-1",
        },
    )
    with pytest.raises(ApiError) as missed:
        await asked(where)
    assert missed.value.status == 404
    assert cluster.api.requests[0][1] == f"/k8s/clusters/c-1{MAPS}"


async def test_a_proxy_is_asked_for_a_tunnel(cluster):
    heard = asyncio.get_running_loop().create_future()

    async def proxy(reader, writer):
        heard.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Lost, match="403"):
            await asked(kubeconfig(cluster, **{"proxy-url": f"http://127.0.0.1:{port}"}))
    assert (await heard).startswith(
        f"CONNECT {cluster.api.base.removeprefix('https://')} HTTP/1.1\r\n".encode()
    )


async def test_a_proxy_that_the_client_cannot_speak_to_is_named(cluster):
    with pytest.raises(StartError, match="expected http:// or https://, found 'socks5://"):
        await asked(kubeconfig(cluster, **{"proxy-url": "socks5://127.0.0.1:1"}))
