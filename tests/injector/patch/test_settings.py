"""The words of injection are other people's API: metrics' labels, annotations, defaults."""

from pilotfish.injector.patch.settings import LABEL, SYSTEM_NAMESPACES, Reason, Sidecar


def test_reasons_are_words_for_a_metric():
    assert all(reason.value == reason.name.lower() for reason in Reason)


def test_the_documented_names():
    assert LABEL == "pilotfish.dev/inject"
    sidecar = Sidecar(image="i")
    assert (sidecar.port, sidecar.admin_port, sidecar.mode, sidecar.config_source) == (
        14000,
        14001,
        "auto",
        "api",
    )
    assert sidecar.excluded_namespaces == SYSTEM_NAMESPACES
