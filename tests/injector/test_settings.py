"""The environment, read once; what is wrong in it is said in one line."""

import os

import pytest

from pilotfish.errors import StartError
from pilotfish.injector.settings import read_settings, read_sidecar


@pytest.fixture(autouse=True)
def given(monkeypatch):
    """Sets variables; none are set before."""
    for name in list(os.environ):
        if name.startswith("PILOTFISH_") or name == "KUBECONFIG":
            monkeypatch.delenv(name)
    return lambda **values: [monkeypatch.setenv(name, text) for name, text in values.items()]


@pytest.mark.parametrize(
    ("read", "name", "value", "expected"),
    [
        (read_settings, "INJECTOR_LISTEN", "14443", "HOST:PORT"),
        (read_settings, "ADMIN_LISTEN", "0.0.0.0:x", "HOST:PORT"),
        (read_settings, "CERTIFICATES", "acme", "'self' or 'files'"),
        (read_settings, "WATCHDOG_SECONDS", "soon", "a valid number"),
        (read_settings, "LEASE_SECONDS", "inf", "finite"),
        (read_settings, "LOG_LEVEL", "loud", "'debug', 'info', 'warning', 'error' or 'critical'"),
        (read_sidecar, "SIDECAR_MODE", "both", "'auto', 'native' or 'classic'"),
        (read_sidecar, "SIDECAR_CPU", "lots", "quantities"),
        (read_sidecar, "SIDECAR_PORT", "70000", "65535"),
        (read_sidecar, "SIDECAR_ENV", "A=1", "a JSON object"),
        (read_sidecar, "SIDECAR_SET_ENV", "perhaps", "a valid boolean"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(given, read, name, value, expected):
    given(**{f"PILOTFISH_{name}": value})
    with pytest.raises(StartError) as wrong:
        read()
    assert str(wrong.value).startswith(f"PILOTFISH_{name}: ")
    assert f"found {value!r}" in str(wrong.value)
    assert expected in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_sidecars_setting_that_the_proxy_would_refuse_ends_the_start(given):
    """Found out by the proxies, it would keep every application from starting."""
    given(PILOTFISH_SIDECAR_ENV='{"PILOTFISH_DRAIN_SECONDS": "long", "OTHER": "x"}')
    with pytest.raises(StartError, match=r"^PILOTFISH_SIDECAR_ENV: PILOTFISH_DRAIN_SECONDS: "):
        read_sidecar()


def test_every_wrong_value_is_named_at_once(given):
    given(PILOTFISH_LEASE_SECONDS="soon", PILOTFISH_DRAIN_SECONDS="-1")
    with pytest.raises(StartError, match=r"PILOTFISH_LEASE_SECONDS.*; PILOTFISH_DRAIN_SECONDS"):
        read_settings()


def test_files_need_their_names(given):
    given(PILOTFISH_CERTIFICATES="files")
    with pytest.raises(StartError, match=r"^PILOTFISH_CERTIFICATES is 'files': .*TLS_CERT_FILE"):
        read_settings()


def test_the_defaults_are_those_of_the_docs():
    settings, sidecar = read_settings(), read_sidecar()
    assert settings.injector_listen == ("0.0.0.0", 14443)
    assert settings.admin_listen == ("0.0.0.0", 14001)
    assert settings.certificates == "self"
    assert settings.lifetimes.leaf_s == 7 * 86_400
    assert (sidecar.mode, sidecar.port, sidecar.admin_port) == ("auto", 14000, 14001)


def test_an_empty_variable_is_one_that_is_not_set(given):
    """The chart sets some of them to nothing."""
    given(PILOTFISH_SIDECAR_CPU="", PILOTFISH_SIDECAR_CONFIGMAPS="", PILOTFISH_NAMESPACE="")
    assert read_sidecar().cpu == "50m"
    assert read_settings().namespace == ""


def test_a_kubeconfig_is_named_as_for_kubectl(given):
    given(KUBECONFIG="/a/file")
    assert read_settings().kubeconfig == "/a/file"


def test_the_sidecars_defaults_are_settings(given):
    given(
        PILOTFISH_SIDECAR_CPU="100m/1",
        PILOTFISH_SIDECAR_MEMORY=" 64Mi ",
        PILOTFISH_SIDECAR_CONFIGMAPS="a, b/c",
        PILOTFISH_SIDECAR_SECRETS="k",
        PILOTFISH_SIDECAR_ENV='{"HTTPS_PROXY": "http://p:1"}',
        PILOTFISH_SIDECAR_SET_ENV="false",
        PILOTFISH_EXCLUDED_NAMESPACES="kube-system,vault",
    )
    sidecar = read_sidecar()
    assert (sidecar.cpu, sidecar.cpu_limit, sidecar.memory, sidecar.memory_limit) == (
        "100m",
        "1",
        "64Mi",
        "64Mi",
    )
    assert (sidecar.configmaps, sidecar.secrets) == (("a", "b/c"), ("k",))
    assert sidecar.env == (("HTTPS_PROXY", "http://p:1"),)
    assert sidecar.set_env is False
    assert sidecar.excluded_namespaces == ("kube-system", "vault")


def test_an_address_may_be_of_the_new_kind(given):
    given(PILOTFISH_ADMIN_LISTEN="[::]:14001")
    assert read_settings().admin_listen == ("::", 14001)
