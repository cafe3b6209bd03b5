"""`pilotfish injector --check`: the whole way, asked of the API server as a dry run."""

import pytest

from pilotfish.injector.check import check

PODS = "/api/v1/namespaces/try/pods"


@pytest.fixture
def kubeconfig(api, tmp_path):
    return api.write_kubeconfig(tmp_path)


async def at_once(_):
    pass


def answered(api, *containers, **annotations):
    api.reply = {
        PODS: {
            "metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": n} for n in containers]},
        }
    }


async def test_a_pod_without_the_sidecar_is_tried_again_and_then_told(api, kubeconfig):
    answered(api, "app")
    assert "does not get the sidecar (containers: app)" in await check(kubeconfig, "try", at_once)
    assert len(api.requests) == 10
    assert all(query == {"dryRun": "All"} for _, _, query in api.requests)


async def test_an_injector_that_comes_up_late_is_waited_for(api, kubeconfig):
    answered(api, "pilotfish", "app", **{"pilotfish.dev/status": "{}"})
    api.refusals = [500, 403]
    assert await check(kubeconfig, "try", at_once) == ""


async def test_a_container_of_that_name_that_we_did_not_make_is_no_proof(api, kubeconfig):
    answered(api, "pilotfish", "app")
    assert "has not made" in await check(kubeconfig, "try", at_once)
