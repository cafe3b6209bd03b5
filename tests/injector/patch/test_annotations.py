"""What Pods and namespaces ask for; nonsense is left out, in words that a person who deploys
understands.
"""

import pytest

from pilotfish.injector.patch.annotations import LEVELS, choices_from
from pilotfish.injector.patch.settings import Sidecar
from pilotfish.injector.settings import SidecarSettings
from pilotfish.settings import Settings

DEFAULTS = Sidecar(image="pilotfish:1", configmaps=("rules",), secrets=("keys",))


def choose(namespace=None, **annotations):
    own = {f"pilotfish.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return choices_from({"metadata": {"annotations": own}}, namespace or {}, DEFAULTS)


@pytest.mark.parametrize("pod", [{}, {"metadata": None}, {"metadata": {"annotations": None}}])
def test_no_annotations_are_the_defaults(pod):
    assert choices_from(pod, {}, DEFAULTS).sidecar == DEFAULTS


@pytest.mark.parametrize(
    "port", ["0", "80", "1023", "65536", "-1", "1e4", "١٤٠٠٠", " ", "14000 14001"]
)
def test_what_is_no_port_that_a_user_may_open_is_left_out(port):
    choices = choose(port=port)
    assert choices.sidecar.port == 14000
    assert not choices.port_asked
    assert len(choices.warnings) == (1 if port.strip() else 0)


def test_a_long_value_is_cut_in_the_warning():
    (warning,) = choose(cpu="x" * 10_000).warnings
    assert len(warning) < 200


def test_the_pods_annotation_wins_over_the_namespaces_and_that_over_the_default():
    namespace = {"pilotfish.dev/log-level": "debug", "pilotfish.dev/cpu": "1", "other.dev/cpu": "9"}
    choices = choose(namespace, log_level="error")
    assert (choices.sidecar.log_level, choices.sidecar.cpu) == ("error", "1")


def test_a_request_above_the_limit_lifts_it():
    assert choose(memory="2Gi").sidecar.memory_limit == "2Gi"
    assert choose(memory="64Mi").sidecar.memory_limit == "512Mi"
    assert choose(memory="64Mi/128Mi").sidecar.memory_limit == "128Mi"


def test_nothing_at_all_can_be_asked_for():
    """`pilotfish.dev/secrets: ""` means none, though the operator mounts some by default."""
    assert choose(secrets="").sidecar.secrets == ()


def test_names_that_are_all_wrong_leave_the_default():
    choices = choose(secrets="A b,../c")
    assert choices.sidecar.secrets == ("keys",)
    assert len(choices.warnings) == 2


def test_a_secret_of_another_namespace_cannot_be_named():
    assert choose(secrets="other/keys").sidecar.secrets == ("keys",)
    assert choose(configmaps="other/rules").sidecar.configmaps == ("other/rules",)


def test_a_typing_error_in_a_name_is_told_with_the_names_there_are():
    (warning,) = choose(confgmaps="a", status="{}").warnings
    assert (
        "pilotfish.dev/confgmaps is not known; known: admin-port, config-source, configmaps, "
        "cost-labels, cpu" in warning
    )


def test_the_label_written_as_an_annotation_is_told():
    assert choose(inject="enabled").warnings == (
        "annotation pilotfish.dev/inject is not known; it is a label",
    )


def test_the_proxy_takes_every_level_that_may_be_asked_for():
    """A level that is good at admission and refused at the start would keep the Pod down."""
    for level in LEVELS:
        assert Settings(log_level=level).log_level == level
        assert SidecarSettings(log_level=level).log_level == level
