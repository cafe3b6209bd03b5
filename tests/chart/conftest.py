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


@pytest.fixture
def helm(request):
    if request.param.startswith("no helm"):
        say = pytest.fail if request.param.endswith("fail") else pytest.skip
        say("THE CHART IS NOT TESTED: no helm (set PILOTFISH_HELM, or see .ci/cluster-tools)")
    return request.param
