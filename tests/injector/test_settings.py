"""The environment, read once; what is wrong in it is said in one line."""

import pytest

from pilotfish.errors import StartError
from pilotfish.injector.settings import settings_from, sidecar_from


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("INJECTOR_LISTEN", "14443", "HOST:PORT"),
        ("ADMIN_LISTEN", "0.0.0.0:x", "HOST:PORT"),
        ("CERTIFICATES", "acme", "one of self, files"),
        ("SIDECAR_MODE", "both", "one of auto, native, classic"),
        ("SIDECAR_CPU", "lots", "quantities"),
        ("SIDECAR_PORT", "70000", "a port"),
        ("SIDECAR_ENV", "A=1", "a JSON object"),
        ("WATCHDOG_SECONDS", "soon", "a number of seconds"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(name, value, expected):
    with pytest.raises(StartError) as wrong:
        settings_from({f"PILOTFISH_{name}": value})
    assert f"PILOTFISH_{name} is {value!r}" in str(wrong.value)
    assert expected in str(wrong.value)


def test_files_need_their_names():
    with pytest.raises(StartError, match="PILOTFISH_TLS_CERT_FILE"):
        settings_from({"PILOTFISH_CERTIFICATES": "files"})


def test_the_defaults_are_the_documented_ones():
    settings = settings_from({})
    assert settings.listen == ("0.0.0.0", 14443)
    assert settings.admin_listen == ("0.0.0.0", 14001)
    assert settings.certificates == "self"
    assert (settings.sidecar.mode, settings.sidecar.port, settings.sidecar.admin_port) == (
        "auto",
        14000,
        14001,
    )


def test_the_sidecars_defaults_are_settings():
    given = {
        "CPU": "100m/1",
        "MEMORY": "64Mi",
        "CONFIGMAPS": "a, b/c",
        "SECRETS": "k",
        "ENV": '{"HTTPS_PROXY": "http://p:1"}',
        "SET_ENV": "false",
    }
    sidecar = sidecar_from({f"PILOTFISH_SIDECAR_{name}": value for name, value in given.items()})
    assert (sidecar.cpu, sidecar.cpu_limit, sidecar.memory, sidecar.memory_limit) == (
        "100m",
        "1",
        "64Mi",
        "64Mi",
    )
    assert (sidecar.configmaps, sidecar.secrets) == (("a", "b/c"), ("k",))
    assert sidecar.env == (("HTTPS_PROXY", "http://p:1"),)
    assert sidecar.set_env is False


def test_an_address_may_be_of_the_new_kind():
    assert settings_from({"PILOTFISH_ADMIN_LISTEN": "[::]:14001"}).admin_listen == ("::", 14001)
