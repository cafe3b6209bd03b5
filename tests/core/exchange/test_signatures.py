"""Signatures against AWS's published test suite ("aws-sig-v4-test-suite", General Reference) and
against its own library.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotfish.core.exchange.signatures import AwsKeys, canonical_request, sign

KEYS = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC).timestamp()
DATE = ("x-amz-date", "20150830T123600Z")


def signature(
    method: str, target: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
) -> str:
    signed = sign(
        method,
        "example.amazonaws.com",
        target,
        headers,
        body,
        KEYS,
        region="us-east-1",
        service="service",
        now_wall=AT,
    )
    return dict(signed)["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("case", "method", "target", "headers", "body", "expected"),
    [
        (
            "get-vanilla",
            "GET",
            "/",
            (),
            b"",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            (),
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            (),
            b"",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            (("content-type", "application/x-www-form-urlencoded"),),
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_published_vectors(case, method, target, headers, body, expected):
    assert signature(method, target, headers, body) == expected


def test_the_header_names_credential_scope_and_signed_headers():
    signed = dict(
        sign(
            "GET",
            "example.amazonaws.com",
            "/",
            (),
            b"",
            KEYS,
            region="us-east-1",
            service="service",
            now_wall=AT,
        )
    )
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )
    assert signed["x-amz-date"] == DATE[1]


def botocore_authorization(
    method: str, target: str, body: bytes, keys: AwsKeys
) -> tuple[str, float]:
    request = AWSRequest(
        method, "https://bedrock-runtime.us-east-1.amazonaws.com" + target, data=body
    )
    SigV4Auth(
        Credentials(keys.access_key, keys.secret_key, keys.session_token or None),
        "bedrock",
        "us-east-1",
    ).add_auth(request)
    stamp = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return request.headers["Authorization"], stamp.timestamp()


@pytest.mark.parametrize("token", ["", "session+token/with=signs"])
@pytest.mark.parametrize(
    "target",
    [
        "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse-stream",
        "/a/../b//c/./?z=1&a=%20x&a=b&empty",
        "/../x",
        "/",
    ],
)
def test_signatures_are_those_of_awss_own_library(target, token):
    keys = AwsKeys("AKID", "SECRET", token)
    theirs, at = botocore_authorization("POST", target, b'{"a": 1}', keys)
    ours = sign(
        "POST",
        "bedrock-runtime.us-east-1.amazonaws.com",
        target,
        (),
        b'{"a": 1}',
        keys,
        region="us-east-1",
        service="bedrock",
        now_wall=at,
    )
    assert dict(ours)["authorization"] == theirs
    assert dict(ours).get("x-amz-security-token", "") == token


@settings(max_examples=40)
@given(
    st.lists(st.text("abcXYZ019-._~% &=:", max_size=8), min_size=1, max_size=4),
    st.binary(max_size=40),
)
def test_any_path_and_body_are_signed_as_awss_library_does(segments, body):
    from urllib.parse import quote

    target = "/" + "/".join(quote(s, safe="-._~") for s in segments)
    keys = AwsKeys("AKID", "SECRET")
    theirs, at = botocore_authorization("POST", target, body, keys)
    ours = sign(
        "POST",
        "bedrock-runtime.us-east-1.amazonaws.com",
        target,
        (),
        body,
        keys,
        region="us-east-1",
        service="bedrock",
        now_wall=at,
    )
    assert dict(ours)["authorization"] == theirs


def test_spaces_in_header_values_are_folded_and_doubled_headers_joined():
    canonical, signed = canonical_request(
        "GET", "/", [("My-Header", "  a   b "), ("my-header", "c"), DATE], b""
    )
    assert "my-header:a b,c\n" in canonical
    assert signed == "my-header;x-amz-date"


def test_keys_do_not_show_their_secrets():
    assert "SECRET" not in repr(AwsKeys("AKIA1234", "SECRET", "TOKENSECRET"))
    assert "SECRET" not in str((AwsKeys("AKIA1234", "SECRET"),))
