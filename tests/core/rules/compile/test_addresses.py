"""URLs and headers of providers."""

from __future__ import annotations

import pytest

from pilotfish.core.rules.compile.addresses import with_version
from small_world import compiled, problem


@pytest.mark.parametrize(
    ("base", "version", "whole"),
    [
        ("https://h", "/v1", "https://h/v1"),
        ("https://h/v1", "/v1", "https://h/v1"),
        ("https://h/gateway", "/v1", "https://h/gateway/v1"),
        ("https://h/v1", "/v1beta", "https://h/v1"),
        ("https://h/v1beta", "/v1", "https://h/v1beta"),
        ("https://h/v1alpha2", "/v1", "https://h/v1alpha2"),
        ("https://h", "/openai/v1", "https://h/openai/v1"),
        ("https://h/openai", "/openai/v1", "https://h/openai/v1"),
        ("https://h/openai/v1", "/openai/v1", "https://h/openai/v1"),
        ("https://h/x/v1/y", "", "https://h/x/v1/y"),
    ],
)
def test_a_base_is_taken_with_or_without_its_version(base: str, version: str, whole: str) -> None:
    assert with_version(base, version) == whole


@pytest.mark.parametrize(
    ("api_base", "base"),
    [
        ("https://h.example", "https://h.example/v1"),
        ("https://h.example/", "https://h.example/v1"),
        ("https://h.example/v1/", "https://h.example/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("http://10.0.0.1:8000/v1", "http://10.0.0.1:8000/v1"),
        ("http://vllm_a.models.svc:8000", "http://vllm_a.models.svc:8000/v1"),
    ],
)
def test_good_bases(api_base: str, base: str) -> None:
    assert (
        compiled(
            f"providers: {{p: {{kind: openai, no_key_required: true, api_base: '{api_base}'}}}}"
        )
        .providers["p"]
        .base
        == base
    )


def test_for_servers_of_unknown_making_the_base_stays_as_it_is() -> None:
    text = "providers: {p: {kind: openai_compatible, no_key_required: true, api_base: https://h/api/paas/v4}}"
    assert compiled(text).providers["p"].base == "https://h/api/paas/v4"


@pytest.mark.parametrize(
    ("api_base", "why"),
    [
        ("https://me:hush@h/v1", "user info"),
        ("https://h/v1?key=hush", "a query"),
        ("https://h/v1#x", "a fragment"),
        ("ftp://h", "scheme 'ftp'"),
        ("h.example/v1", "found none"),
        ("https://", "no host"),
        ("https://h:port", "port"),
        ("https://h:99999", "port"),
        ("https://h i/v1", "characters that no host has"),
        ("https://[::1", "host"),
        ("https://h/a b", "plain path"),
        ("https://h/../x", "plain path"),
    ],
)
def test_bad_bases(api_base: str, why: str) -> None:
    path, message = problem(
        f"providers: {{p: {{kind: openai, no_key_required: true, api_base: '{api_base}'}}}}"
    )
    assert path == "providers.p.api_base"
    assert why in message
    assert "hush" not in message


@pytest.mark.parametrize(
    "url",
    ["http://proxy:3128", "https://u:p@proxy", "socks5://proxy:1080/", "socks5h://proxy:1080"],
)
def test_good_proxies(url: str) -> None:
    assert compiled(f"providers: {{p: {{kind: local, proxy_url: '{url}'}}}}").providers[
        "p"
    ].proxy_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["socks4://proxy", "proxy:3128", "http://proxy/path", "http://proxy?x=hush", "http://u:hush@"],
)
def test_bad_proxies(url: str) -> None:
    path, message = problem(f"providers: {{p: {{kind: local, proxy_url: '{url}'}}}}")
    assert path == "providers.p.proxy_url"
    assert "hush" not in message


def test_headers_are_sent_as_they_are_under_lower_case_names() -> None:
    text = "providers: {p: {kind: local, headers: {X-Team: red, Authorization: Bearer mine}}}"
    assert compiled(text).providers["p"].headers == (
        ("x-team", "red"),
        ("authorization", "Bearer mine"),
    )


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ("{Host: x}", "cannot be set"),
        ("{Transfer-Encoding: chunked}", "cannot be set"),
        ("{Content-Length: '3'}", "cannot be set"),
        ("{'a b': x}", "a header's name"),
        ("{'': x}", "a header's name"),
        ('{x: "hush\\r\\nx: y"}', "no line breaks"),
        ("{x: ' hush'}", "no spaces around it"),
        ("{X: a, x: b}", "given twice"),
    ],
)
def test_bad_headers(headers: str, why: str) -> None:
    _, message = problem(f"providers: {{p: {{kind: local, headers: {headers}}}}}")
    assert why in message
    assert "hush" not in message
