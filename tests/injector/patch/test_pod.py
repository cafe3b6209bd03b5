"""What the golden files cannot show: Pods of any shape at all, and who must be asked for access."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.injector.patch.pod import RulesNeeded, inject, rules_needed
from pilotfish.injector.patch.settings import Injected, PodContext, Reason, Sidecar, Skipped

SIDECAR = Sidecar(image="pilotfish:1", configmaps=("rules",))
HERE = PodContext(namespace="shop", native=True)

leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(["", "name", "Always"])
objects = st.dictionaries(
    st.sampled_from(["name", "env", "ports", "value", "restartPolicy", "resources"]),
    leaves | st.lists(leaves, max_size=2),
    max_size=3,
)
anything = leaves | objects | st.lists(leaves | objects, max_size=2)
pods = st.fixed_dictionaries(
    {},
    optional={
        "metadata": leaves
        | st.fixed_dictionaries({}, optional={"labels": anything, "annotations": anything}),
        "spec": leaves
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("containers", "initContainers", "volumes", "os", "securityContext"), anything
            ),
        ),
    },
)


@given(pods, st.booleans())
def test_no_pod_makes_it_raise(pod, native):
    """Admission runs before validation: anything that is JSON may arrive, and an exception would be
    a refusal.
    """
    around = PodContext(namespace="shop", native=native)
    assert isinstance(inject(pod, SIDECAR, around), Injected | Skipped)
    rules_needed(pod, SIDECAR, around)


def pod(**spec):
    return {
        "metadata": {"labels": {"pilotfish.dev/inject": "enabled"}},
        "spec": {"containers": [{"name": "app"}], **spec},
    }


def test_by_default_the_default_account_must_be_able_to_watch_the_default_configmaps():
    assert rules_needed(pod(), SIDECAR, HERE) == RulesNeeded((("shop", "rules"),), "default")


def test_another_namespace_and_account_are_asked_for_by_name():
    sidecar = Sidecar(image="pilotfish:1", configmaps=("common/base", "team"))
    assert rules_needed(pod(serviceAccountName="web"), sidecar, HERE) == RulesNeeded(
        (("common", "base"), ("shop", "team")), "web"
    )


def test_a_selector_needs_every_configmap_of_the_namespace():
    everything = RulesNeeded((("shop", ""),), "default")
    assert rules_needed(pod(), Sidecar(image="pilotfish:1"), HERE) == everything


def test_a_volume_needs_no_access():
    sidecar = Sidecar(image="pilotfish:1", configmaps=("rules",), config_source="volume")
    assert rules_needed(pod(), sidecar, HERE) == RulesNeeded((("shop", "rules"),))


def test_offline_no_label_is_needed_but_an_opt_out_holds():
    offline = PodContext(native=True, labels={}, label_needed=False)
    unlabelled = {"spec": {"containers": [{"name": "app"}]}}
    assert isinstance(inject(unlabelled, SIDECAR, offline), Injected)
    opted_out = {**unlabelled, "metadata": {"labels": {"pilotfish.dev/inject": "disabled"}}}
    assert inject(opted_out, SIDECAR, offline).reason is Reason.OPTED_OUT


def test_a_volume_of_ours_that_stands_there_already_is_not_added_twice():
    first = inject(pod(), SIDECAR, HERE).pod
    stripped = {**first, "spec": {**first["spec"], "initContainers": []}}
    again = inject(stripped, SIDECAR, HERE)
    names = [volume["name"] for volume in again.pod["spec"]["volumes"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("mode", ["native", "classic"])
def test_the_operator_can_fix_the_mode(mode):
    assert inject(pod(), Sidecar(image="i", configmaps=("r",), mode=mode), HERE).mode == mode


def test_both_ports_asked_for_as_one_is_refused():
    asks_twice = pod()
    asks_twice["metadata"]["annotations"] = {
        "pilotfish.dev/port": "9000",
        "pilotfish.dev/admin-port": "9000",
    }
    assert inject(asks_twice, SIDECAR, HERE).reason is Reason.PORT_TAKEN


def test_a_default_port_gives_way_to_the_one_that_was_asked_for():
    swapped = pod()
    swapped["metadata"]["annotations"] = {"pilotfish.dev/port": "14001"}
    result = inject(swapped, SIDECAR, HERE)
    env = {e["name"]: e.get("value") for e in result.pod["spec"]["initContainers"][0]["env"]}
    assert env["PILOTFISH_LISTEN"] == "127.0.0.1:14001"
    assert env["PILOTFISH_ADMIN_LISTEN"] == "0.0.0.0:14002"
    assert any("asked for by annotation" in warning for warning in result.warnings)


def test_the_search_for_a_port_goes_round_at_the_end():
    full = pod(containers=[{"name": "app", "ports": [{"containerPort": 65535}]}])
    result = inject(full, Sidecar(image="i", configmaps=("r",), port=65535), HERE)
    assert "PILOTFISH_LISTEN', 'value': '127.0.0.1:1024'" in str(result.pod)
