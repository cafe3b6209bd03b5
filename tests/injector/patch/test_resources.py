"""What the sidecar asks for and may take: never so little that the application waits for it in
vain.
"""

import pytest

from pilotfish.injector.patch.resources import is_guaranteed, resources_for
from pilotfish.injector.patch.settings import Sidecar

SIDECAR = Sidecar(image="pilotfish:1")


def app(**resources):
    return {"containers": [{"name": "app", "resources": resources}]}


def of_pods(**limits):
    return [{"spec": {"limits": [{"type": "Pod", **limits}]}}]


def test_a_guaranteed_pod_stays_guaranteed():
    own = resources_for(app(limits={"cpu": "1", "memory": "1Gi"}), SIDECAR, [])
    assert own["requests"] == own["limits"] == {"cpu": "500m", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("requests", "guaranteed"),
    [
        ({"cpu": "1000m", "memory": "1024Mi"}, True),
        ({"cpu": "1.0", "memory": "1073741824"}, True),
        ({}, True),
        ({"cpu": "999m"}, False),
    ],
)
def test_equal_is_what_means_the_same(requests, guaranteed):
    spec = app(limits={"cpu": "1", "memory": "1Gi"}, requests=requests)
    assert is_guaranteed(spec) is guaranteed


def test_a_burstable_pod_is_not_charged_for_more_than_the_proxy_needs():
    spec = app(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "100m", "memory": "1Gi"})
    own = resources_for(spec, SIDECAR, [])
    assert own["requests"] == {"cpu": "50m", "memory": "96Mi"}


def test_a_pod_with_resources_of_its_own_is_not_refused_for_ours():
    """Kubernetes 1.34: a container's limit above the Pod's, or requests that add up to more than
    the Pod's, are errors.
    """
    spec = app(requests={"cpu": "900m", "memory": "200Mi"}) | {
        "resources": {
            "limits": {"cpu": "1", "memory": "256Mi"},
            "requests": {"cpu": "910m", "memory": "256Mi"},
        }
    }
    assert resources_for(spec, SIDECAR, []) == {
        "requests": {"cpu": "10m", "memory": "56Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }
    full = app(requests={"cpu": "900m"}) | {"resources": {"limits": {"cpu": "900m"}}}
    own = resources_for(full, SIDECAR, [])
    assert own["requests"] == {"cpu": "0m", "memory": "96Mi"}


def test_init_containers_count_beside_native_sidecars_and_not_beside_containers():
    """As Kubernetes adds a Pod up: the larger of what runs first and what runs then."""
    spec = app(limits={"memory": "500Mi"}) | {
        "initContainers": [
            {"name": "mesh", "restartPolicy": "Always", "resources": {"limits": {"memory": "1Gi"}}},
            {"name": "migrate", "resources": {"limits": {"memory": "600Mi"}}},
        ]
    }
    own = resources_for(spec, SIDECAR, of_pods(max={"memory": "2Gi"}))
    assert own["limits"]["memory"] == f"{2048 - 1024 - 600}Mi"


@pytest.mark.parametrize(
    "spec",
    [
        app(limits={"memory": "1000Mi"}),
        app() | {"resources": {"limits": {"memory": "64Mi"}}},
    ],
)
def test_where_it_could_not_run_there_is_no_room(spec):
    why = resources_for(spec, SIDECAR, of_pods(max={"memory": "1Gi"}))
    assert isinstance(why, str)
    assert "memory" in why


def test_who_asks_for_less_gets_less():
    """It is their choice, and no surprise."""
    small = Sidecar(image="pilotfish:1", memory="48Mi", memory_limit="64Mi")
    own = resources_for(app(), small, [])
    assert own["limits"]["memory"] == "64Mi"
