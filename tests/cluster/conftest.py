"""A real API server for the tests in this folder, one for all of them."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from chart.rendering import helms
from cluster.control_plane import ControlPlane
from cluster.release import Release
from pilotfish.kube.client import Kube
from pilotfish.kube.configuration import ClusterAccess

NEEDED = ("etcd", "kube-apiserver")
_numbers = itertools.count()


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def assets() -> Path:
    folder = os.environ.get("KUBEBUILDER_ASSETS", "")
    missing = (
        [name for name in NEEDED if not (Path(folder) / name).is_file()] if folder else list(NEEDED)
    )
    if missing:
        if os.environ.get("PILOTFISH_CLUSTER_TESTS") == "required":
            pytest.fail(
                f"no real API server to test against: KUBEBUILDER_ASSETS={folder!r} lacks "
                f"{', '.join(missing)}"
            )
        pytest.skip(
            f"NOT TESTED AGAINST A REAL API SERVER: KUBEBUILDER_ASSETS={folder!r} lacks "
            f"{', '.join(missing)} (.ci/cluster-tools makes them)"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def plane(assets, tmp_path_factory):
    plane = ControlPlane(assets, tmp_path_factory.mktemp("plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture
async def admin(plane):
    kube = Kube.at(ClusterAccess(kubeconfig=str(plane.admin_kubeconfig)))
    yield kube
    await kube.close()


@pytest.fixture
async def namespace(admin):
    name = f"shop-{next(_numbers)}"
    await admin.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return name


@pytest.fixture(scope="session")
def kubectl():
    found = os.environ.get("PILOTFISH_KUBECTL") or shutil.which("kubectl")
    if not found:
        pytest.skip("NOT TESTED: kubectl is not there")
    return found


@pytest.fixture
def any_helm():
    found = helms()
    if not found:
        pytest.skip("NOT TESTED: no helm")
    return found[-1]


@pytest.fixture
async def release(plane, admin, any_helm, tmp_path):
    release = Release(plane, admin, any_helm, tmp_path)
    yield release
    await release.close()
