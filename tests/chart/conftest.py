import os

import pytest

from chart.rendering import helms


def pytest_generate_tests(metafunc):
    if "helm" in metafunc.fixturenames:
        found = helms()
        lacking = "fail" if os.environ.get("PILOTFISH_CLUSTER_TESTS") == "required" else "skip"
        metafunc.parametrize(
            "helm",
            found or [f"no helm: {lacking}"],
            indirect=True,
            ids=[path.split("/")[-2] for path in found] or ["none"],
        )


def say_no_helm(lacking):
    say = pytest.fail if lacking == "fail" else pytest.skip
    say("THE CHART IS NOT TESTED: no helm (set PILOTFISH_HELM, or see .ci/cluster-tools)")


@pytest.fixture
def helm(request):
    """Each helm that is there, one after the other."""
    if request.param.startswith("no helm"):
        say_no_helm(request.param.rpartition(" ")[2])
    return request.param


@pytest.fixture
def one_helm():
    """The newest, where what is rendered does not depend on which."""
    found = helms()
    if not found:
        say_no_helm("fail" if os.environ.get("PILOTFISH_CLUSTER_TESTS") == "required" else "skip")
    return found[-1]
