"""Settings from environment and flags: which wins, and what is said of a wrong one."""

import pytest

from pilotfish.errors import StartError
from pilotfish.settings import Address, address, log_format, read_settings


def test_every_wrong_setting_is_named_on_one_line(monkeypatch):
    monkeypatch.setenv("PILOTFISH_DRAIN_SECONDS", "soon")
    with pytest.raises(StartError) as refused:
        read_settings({"listen": "nowhere", "max_in_flight": "0"})
    said = str(refused.value)
    assert "\n" not in said
    assert said.count("found 'nowhere'") == 1
    assert "PILOTFISH_LISTEN: expected HOST:PORT, found 'nowhere'" in said
    assert "PILOTFISH_DRAIN_SECONDS" in said
    assert "PILOTFISH_MAX_IN_FLIGHT" in said


@pytest.mark.parametrize("name", ["a/b/c", "/b", "a/"])
def test_what_is_no_configmaps_name(name):
    with pytest.raises(
        StartError, match=f"PILOTFISH_CONFIGMAPS: expected \\[namespace/]name, found '{name}'$"
    ):
        read_settings({"configmaps": f"good,{name}"})


@pytest.mark.parametrize("text", ["", "14000", "host:", "host:x", "host:70000"])
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        address(text)


@pytest.mark.parametrize(
    ("text", "found", "shown"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0), "127.0.0.1:0"),
        (":14000", ("0.0.0.0", 14000), "0.0.0.0:14000"),
        ("[::1]:80", ("::1", 80), "[::1]:80"),
    ],
)
def test_addresses(text, found, shown):
    assert address(text) == found
    assert str(Address(found)) == shown


def test_the_defaults_are_the_documented_ones(monkeypatch):
    settings = read_settings()
    assert (settings.listen, settings.admin_listen) == ("127.0.0.1:14000", "0.0.0.0:14001")
    assert (settings.drain_seconds, settings.max_body_bytes, settings.max_in_flight) == (
        30,
        32 * 1024 * 1024,
        1000,
    )
    assert (settings.allow_inline_secrets, settings.secrets_dir) == (
        False,
        "/var/run/pilotfish/secrets",
    )


def test_a_flag_wins_over_the_environment_and_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("PILOTFISH_CONFIG", "a.yaml, b ,,")
    monkeypatch.setenv("PILOTFISH_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("PILOTFISH_MAX_IN_FLIGHT", "")
    settings = read_settings({"listen": "127.0.0.1:2", "config": None})
    assert (settings.listen, settings.config, settings.max_in_flight) == (
        "127.0.0.1:2",
        ("a.yaml", "b"),
        1000,
    )


def test_logs_are_json_where_nobody_looks(capsys):
    assert log_format(read_settings()) == "json"
    assert log_format(read_settings({"log_format": "console"})) == "console"


@pytest.mark.parametrize("origin", ["chat.example.com", "https://a/b", "https:/a"])
def test_what_is_no_origin(origin):
    with pytest.raises(StartError, match="PILOTFISH_ALLOWED_ORIGINS: expected origins such as"):
        read_settings({"allowed_origins": f"https://good.example,{origin}"})


@pytest.mark.parametrize("host", ["https://a", "a:80", "a/b"])
def test_what_is_no_host_name(host):
    with pytest.raises(StartError, match="PILOTFISH_ALLOWED_HOSTS: expected host names without"):
        read_settings({"allowed_hosts": f"good.example,{host}"})


def test_origins_are_kept_without_the_slash_that_people_copy():
    settings = read_settings({"allowed_origins": "https://a.example/, null,*"})
    assert settings.allowed_origins == ("https://a.example", "null", "*")
