"""A real control plane on loopback: etcd, kube-apiserver and, where it is there, kube-controller-manager.

Follows envtest's convention: the folder named by KUBEBUILDER_ASSETS holds the binaries. No kubelet runs, so Pods stay Pending.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pilotfish.shell.injector.pki import new_authority, new_leaf

ADMIN_TOKEN = "admin-of-the-test-cluster"
KCM_TOKEN = "controller-manager-of-the-test-cluster"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ControlPlane:
    def __init__(self, assets: Path, folder: Path) -> None:
        self._assets, self.folder = assets, folder
        self._etcd_port, self._etcd_peer_port, self.port, self._kcm_port = (free_port() for _ in range(4))
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
            ["--name=t", f"--data-dir={self.folder}/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"]
            + [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=t={peer}", "--unsafe-no-fsync"],
        )
        self.start_api_server()
        if (self._assets / "kube-controller-manager").exists():
            self._start_controller_manager()

    def start_api_server(self) -> None:
        """Starts it (again) and waits until it is ready. Watch caches begin empty, so versions from before are expired (410)."""
        folder = self.folder
        self._spawn(
            "kube-apiserver",
            [f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]
            + [f"--secure-port={self.port}", f"--tls-cert-file={folder}/api.crt", f"--tls-private-key-file={folder}/api.key"]
            + [f"--service-account-key-file={folder}/sa.pub", f"--service-account-signing-key-file={folder}/sa.key"]
            + [f"--service-account-issuer={self.host}", f"--api-audiences={self.host}", "--service-cluster-ip-range=10.96.0.0/16"]
            + ["--authorization-mode=RBAC", f"--token-auth-file={folder}/tokens.csv", "--endpoint-reconciler-type=none"]
            + ["--enable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook"],
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
        import ssl

        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        request = urllib.request.Request(self.host + path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            return answer.read()

    def write_kubeconfig(self, path: Path, token: str) -> Path:
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": self.host, "certificate-authority-data": authority}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def _start_controller_manager(self) -> None:
        # Debian's build has a controller that upstream has not, and that needs what we do not run.
        listed = subprocess.run([self._assets / "kube-controller-manager", "--help"], capture_output=True, text=True, check=False).stdout
        extra = ["--controllers=*,-service-ca-certificate-publisher-controller"] if "service-ca-certificate-publisher" in listed else []
        extra += ["--port=0"] if "--port int" in listed else []
        self._spawn(
            "kube-controller-manager",
            [
                f"--kubeconfig={self.folder}/kcm.kubeconfig",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._kcm_port}",
                "--leader-elect=false",
            ]
            + ["--use-service-account-credentials=true", f"--service-account-private-key-file={self.folder}/sa.key"]
            + [f"--root-ca-file={self.folder}/ca.crt", f"--cert-dir={self.folder}/kcm", *extra],
        )
        self._wait(lambda: bool(self.get("/api/v1/namespaces/default/serviceaccounts/default")), "kube-controller-manager")

    def _write_pki(self) -> None:
        now = datetime.now(UTC)
        authority = new_authority(now, timedelta(days=2))
        leaf = new_leaf(authority, ["127.0.0.1", "localhost", "kubernetes.default.svc"], now, timedelta(days=1))
        signer = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        files = {
            "ca.crt": authority.certificate,
            "api.crt": leaf.certificate,
            "api.key": leaf.key,
            "sa.key": signer.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()),
            "sa.pub": signer.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo),
            "tokens.csv": f'{ADMIN_TOKEN},admin,1,"system:masters"\n{KCM_TOKEN},system:kube-controller-manager,2\n'.encode(),
        }
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
            (self.folder / name).chmod(0o600)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [self._assets / name, *arguments], stdout=log, stderr=log, env={**os.environ, "ETCD_UNSUPPORTED_ARCH": ""}
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
