"""The sidecar's container: how long it drains, what it asks for, as whom it runs."""

from dataclasses import replace

import pytest

from pilotfish.injector.patch.container import container_for, drain_s, hold_stop_s
from pilotfish.injector.patch.settings import PodContext, Sidecar

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))


def container(spec=None, *, native=True, sidecar=SIDECAR, **around):
    return container_for(
        spec or {"containers": [{"name": "app"}]},
        sidecar,
        PodContext(**around),
        native=native,
        mounts=[],
        resources={},
    )


@pytest.mark.parametrize(
    ("grace", "native", "classic"),
    [(None, 27, 22), (0, 0, 0), (1, 0, 0), (10, 7, 4), (3600, 3597, 3592)],
)
def test_holding_and_draining_are_over_before_the_grace_period_is(grace, native, classic):
    spec = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    assert drain_s(spec, SIDECAR, native=True) == native
    assert drain_s(spec, SIDECAR, native=False) == classic
    assert hold_stop_s(spec, SIDECAR) + classic <= (30 if grace is None else grace)


def test_a_native_sidecar_has_no_hooks_that_would_delay_the_pod():
    assert "lifecycle" not in container()
    assert container()["restartPolicy"] == "Always"


def test_a_classic_one_holds_the_application_back_and_outlives_it():
    classic = container(native=False)
    assert "restartPolicy" not in classic
    assert classic["lifecycle"]["postStart"]["exec"]["command"][-2:] == ["start", "14001"]
    assert classic["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["stop", "5"]


def test_liveness_bears_a_busy_minute_and_startup_does_not_wait_for_rules_for_ever():
    probes = container()
    liveness = probes["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60
    assert probes["startupProbe"]["httpGet"]["path"] == "/healthz?startup_s=10"
    assert probes["readinessProbe"]["httpGet"]["path"] == "/healthz"


def test_the_application_leaves_its_service_for_want_of_rules_only_where_it_is_asked_for():
    strict = replace(SIDECAR, ready_without_rules=False)
    assert container(sidecar=strict)["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize(
    ("range_", "user"), [("1000650000/10000", 1000650000), ("", 65532), ("nonsense", 65532)]
)
def test_a_user_is_named_only_where_the_pod_runs_as_root(range_, user):
    root = {"containers": [], "securityContext": {"runAsUser": 0}}
    annotations = {"openshift.io/sa.scc.uid-range": range_}
    assert container(root, annotations=annotations)["securityContext"]["runAsUser"] == user
    assert "runAsUser" not in container(annotations=annotations)["securityContext"]


def test_a_pull_policy_is_only_there_if_the_operator_has_one():
    assert "imagePullPolicy" not in container()
    assert (
        container(sidecar=Sidecar(image="i", image_pull_policy="Always"))["imagePullPolicy"]
        == "Always"
    )


def test_the_operators_own_variables_come_last_and_win():
    own = container(sidecar=Sidecar(image="i", env=(("PILOTFISH_LOG_LEVEL", "debug"),)))
    assert own["env"][-1] == {"name": "PILOTFISH_LOG_LEVEL", "value": "debug"}
