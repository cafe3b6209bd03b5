"""Which requests come from where they may: names that are ours, and pages that may call."""

from __future__ import annotations

import pytest

from pilotfish.http1.callers import KEPT_HOSTS, AllowedCallers

OURS = [
    "localhost", "LOCALHOST:14000", "localhost.", "127.0.0.1", "127.0.0.1:14000", "[::1]:14000", "[::1]", "10.0.0.7:80", "x",
    "pilotfish-gateway", "gateway:80", "gateway.team.svc", "gateway.team.svc:80", "gateway.team.svc.cluster.local:80", "gateway.team.svc.corp.example.",
]  # fmt: skip
FOREIGN = [
    "evil.example", "evil.example:14000", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1.nip.io:14000", "svc.evil.example",
    "evil.example.", "1.2.3.4.5", "127.1.evil", "a.b",
]  # fmt: skip
NO_HOSTS = [b"a b", b"a/b", b"user@x", b"x:y", b"x:80:80", b"[::1", b"::1", b"x?", b"x#", b"\xe4", b"x\\y", b"%zz", b'"x"', b"[::1].evil.example", b"<x>"]  # fmt: skip


def status(callers: AllowedCallers, host=b"localhost", origin=None, site=None):
    refused = callers.refusal(host, origin, site)
    return refused.status if refused is not None else None


@pytest.mark.parametrize("host", OURS)
def test_names_that_no_stranger_can_have(host):
    callers = AllowedCallers()
    assert status(callers, host.encode()) is None
    assert host.encode() in callers.good_hosts


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_strangers_may_point_here(host):
    assert status(AllowedCallers(), host.encode()) == 403


@pytest.mark.parametrize("host", NO_HOSTS)
def test_what_is_no_host(host):
    assert status(AllowedCallers(hosts=["*"]), host) == 400


def test_without_a_name_there_is_nothing_to_refuse():
    assert status(AllowedCallers(), None) is None
    assert status(AllowedCallers(), b"") is None


def test_names_are_ours_that_the_settings_say():
    callers = AllowedCallers(hosts=["llm.example.com", "*.apps.example.com"])
    for host in (b"llm.example.com", b"LLM.example.com:443", b"a.b.apps.example.com"):
        assert status(callers, host) is None
    for host in (b"llm.example.com.evil.example", b"apps.example.com", b"xllm.example.com"):
        assert status(callers, host) == 403


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"", b"http://127.0.0.1:3000"]
)
def test_pages_may_not_call(origin):
    callers = AllowedCallers()
    assert status(callers, b"127.0.0.1:14000", origin) == 403
    assert not callers.allows_origin(origin)


def test_pages_may_call_that_the_settings_say():
    callers = AllowedCallers(["https://chat.example.com", "vscode-webview://*"])
    assert status(callers, origin=b"https://chat.example.com") is None
    assert status(callers, origin=b"HTTPS://Chat.Example.com", site=b"cross-site") is None
    assert status(callers, origin=b"vscode-webview://0a1b") is None
    for origin in (b"http://chat.example.com", b"https://chat.example.com.evil.example", b"null"):
        assert status(callers, origin=origin) == 403
    assert AllowedCallers(["*"]).allows_origin(b"null")


def test_an_origin_that_is_this_server_itself():
    """Some libraries for WebSockets send it; so do the buttons of our own page."""
    callers = AllowedCallers(hosts=["llm.example.com"])
    assert status(callers, b"127.0.0.1:14000", b"http://127.0.0.1:14000") is None
    assert status(callers, b"llm.example.com", b"https://LLM.example.com") is None
    assert status(callers, b"127.0.0.1:14000", b"127.0.0.1:14000") == 403


def test_a_page_may_own_a_name_of_a_cluster():
    """`x.svc.evil.example` is anybody's, so an origin of that name is not this server."""
    callers = AllowedCallers()
    assert status(callers, b"x.svc.evil.example") is None
    assert status(callers, b"x.svc.evil.example", b"http://x.svc.evil.example") == 403


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"Cross-Site"])
def test_other_sites_may_not_have_a_browser_fetch_anything(site):
    assert status(AllowedCallers(), site=site) == 403
    assert status(AllowedCallers(serves_pages=True), site=site) is None


@pytest.mark.parametrize("site", [b"none", b"same-origin", b""])
def test_what_people_type_into_a_browser(site):
    assert status(AllowedCallers(), site=site) is None


def test_names_that_are_kept_are_few():
    callers = AllowedCallers()
    for i in range(KEPT_HOSTS + 10):
        assert status(callers, b"x%d" % i) is None
    assert len(callers.good_hosts) == KEPT_HOSTS
