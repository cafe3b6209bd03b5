"""A real control plane on loopback: etcd, kube-apiserver and, where it is there,
kube-controller-manager.

Follows envtest's convention: the folder named by KUBEBUILDER_ASSETS holds the binaries. No kubelet
runs, so Pods stay Pending.
"""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pilotfish.injector.patch.settings import NATIVE_SINCE
from pilotfish.injector.pki import new_authority, new_leaf

ADMIN_TOKEN = "admin-of-the-test-cluster"
KCM_TOKEN = "controller-manager-of-the-test-cluster"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ControlPlane:
    def __init__(self, assets: Path, folder: Path) -> None:
        self._assets, self.folder = assets, folder
        self._etcd_port, self._etcd_peer_port, self.port, self._kcm_port = (
            free_port() for _ in range(4)
        )
        self.host = f"https://127.0.0.1:{self.port}"
        self.admin_kubeconfig = folder / "admin.kubeconfig"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        self._write_pki()
        self.write_kubeconfig(self.admin_kubeconfig, ADMIN_TOKEN)
        self.write_kubeconfig(self.folder / "kcm.kubeconfig", KCM_TOKEN)
        etcd = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._etcd_peer_port}"
        self._spawn(
            "etcd",
            name="t",
            data_dir=f"{self.folder}/etcd",
            listen_client_urls=etcd,
            advertise_client_urls=etcd,
            listen_peer_urls=peer,
            initial_advertise_peer_urls=peer,
            initial_cluster=f"t={peer}",
            unsafe_no_fsync="true",
        )
        self.start_api_server()
        if (self._assets / "kube-controller-manager").exists():
            self._start_controller_manager()

    def start_api_server(self) -> None:
        """Starts it (again) and waits until it is ready. Watch caches begin empty, so versions from
        before are expired (410).
        """
        folder = self.folder
        self._spawn(
            "kube-apiserver",
            etcd_servers=f"http://127.0.0.1:{self._etcd_port}",
            bind_address="127.0.0.1",
            advertise_address="127.0.0.1",
            secure_port=self.port,
            tls_cert_file=folder / "api.crt",
            tls_private_key_file=folder / "api.key",
            service_account_key_file=folder / "sa.pub",
            service_account_signing_key_file=folder / "sa.key",
            service_account_issuer=self.host,
            api_audiences=self.host,
            service_cluster_ip_range="10.96.0.0/16",
            authorization_mode="RBAC",
            token_auth_file=folder / "tokens.csv",
            endpoint_reconciler_type="none",
            enable_admission_plugins="MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
        )
        self._wait(lambda: self.get("/readyz") == b"ok", "kube-apiserver")

    def stop_api_server(self) -> None:
        self._end("kube-apiserver")

    def kill_api_server(self) -> None:
        """Without a word to those who watch."""
        process = self._running.pop("kube-apiserver")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in reversed(list(self._running)):
            self._end(name)

    def get(self, path: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        request = urllib.request.Request(
            self.host + path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
        )
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            return answer.read()

    @cached_property
    def version(self) -> tuple[int, int]:
        """What the server says it is, such as (1, 20): the tests expect of it what it knows."""
        said = json.loads(self.get("/version"))["gitVersion"]
        major, minor = said.lstrip("v").split(".")[:2]
        return int(major), int(minor)

    @property
    def has_native_sidecars(self) -> bool:
        return self.version >= NATIVE_SINCE

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.host, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def _start_controller_manager(self) -> None:
        # Debian's build has a controller that upstream has not, and that needs what we do not run.
        listed = subprocess.run(
            [self._assets / "kube-controller-manager", "--help"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        extra = (
            {"controllers": "*,-service-ca-certificate-publisher-controller"}
            if "service-ca-certificate-publisher" in listed
            else {}
        )
        extra |= {"port": "0"} if "--port int" in listed else {}
        self._spawn(
            "kube-controller-manager",
            kubeconfig=self.folder / "kcm.kubeconfig",
            bind_address="127.0.0.1",
            secure_port=self._kcm_port,
            leader_elect="false",
            use_service_account_credentials="true",
            service_account_private_key_file=self.folder / "sa.key",
            root_ca_file=self.folder / "ca.crt",
            cert_dir=self.folder / "kcm",
            **extra,
        )
        self._wait(
            lambda: bool(self.get("/api/v1/namespaces/default/serviceaccounts/default")),
            "kube-controller-manager",
        )

    def _write_pki(self) -> None:
        now = datetime.now(UTC)
        authority = new_authority(now, timedelta(days=2))
        leaf = new_leaf(
            authority, ["127.0.0.1", "localhost", "kubernetes.default.svc"], now, timedelta(days=1)
        )
        signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        files = {
            "ca.crt": authority.certificate,
            "api.crt": leaf.certificate,
            "api.key": leaf.key,
            "sa.key": signer.private_bytes(
                pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            ),
            "sa.pub": signer.public_key().public_bytes(
                pem, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            "tokens.csv": (
                f'{ADMIN_TOKEN},admin,1,"system:masters"\n'
                f"{KCM_TOKEN},system:kube-controller-manager,2\n"
            ).encode(),
        }
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(0o600)

    def _spawn(self, program: str, **flags: object) -> None:
        arguments = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
        with (self.folder / f"{program}.log").open("ab") as log:
            self._running[program] = subprocess.Popen(
                [self._assets / program, *arguments], stdout=log, stderr=log
            )

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, is_ready, name: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if is_ready():
                    return
            if self._running[name].poll() is not None:
                break
            time.sleep(0.1)
        tail = (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{name} did not become ready:\n{tail}")
