"""AWS keys against a simulated Security Token Service; signatures as AWS's own library makes
them.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from pilotfish.core.exchange.signatures import AwsKeys, sign
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import SecretRef
from pilotfish.credentials import aws as aws_module
from pilotfish.credentials.aws import aws_key, needs_extra, region_of, signed
from pilotfish.credentials.keys import CredentialError, SignedCall

CALL = SignedCall("POST", "bedrock-runtime.eu-central-1.amazonaws.com", "/model/m/converse", b"{}")
STATIC = {"region": "eu-central-1", "access_key": "AKIDhush", "secret_key": "hush"}


def sts(action: str, access: str, until: float) -> str:
    """What the service answers, cut down to what matters."""
    end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
        f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>hush/{access}</SecretAccessKey><SessionToken>hush+{access}==</SessionToken>"
        f"<Expiration>{end}</Expiration></Credentials></{action}Result></{action}Response>"
    )


def expected(keys: AwsKeys, now: float, region: str = "eu-central-1"):
    added = sign(*CALL[:3], (), CALL.body, keys, region=region, service="bedrock", now_wall=now)
    return tuple((n.encode(), v.encode()) for n, v in added)


async def test_given_keys_sign_each_call(context, make, clock):
    key = aws_key(make("bedrock", options={**STATIC, "session_token": "hush-tok"}), context)
    assert key.headers(CALL) == expected(AwsKeys("AKIDhush", "hush", "hush-tok"), clock())
    clock.now += 1
    assert key.headers(CALL) == expected(AwsKeys("AKIDhush", "hush", "hush-tok"), clock())
    assert not key.refused(key.headers(CALL))


async def test_keys_in_files_are_read_anew(context, make, clock, tmp_path):
    access, secret = tmp_path / "access", tmp_path / "secret"
    access.write_text("AKIDhush1")
    secret.write_text("hush-s1")
    options = {
        "region": "eu-central-1",
        "access_key": SecretRef("file", str(access)),
        "secret_key": SecretRef("file", str(secret)),
    }
    key = aws_key(make("bedrock", options=options), context)
    sent = key.headers(CALL)
    access.write_text("AKIDhush2")
    secret.write_text("hush-s2")
    assert key.refused(sent)
    assert key.replaced()
    assert key.headers(CALL) == expected(AwsKeys("AKIDhush2", "hush-s2"), clock())
    assert not key.refused(key.headers(CALL))
    assert not key.replaced()


async def test_keys_that_are_not_there_yet(context, make):
    key = aws_key(
        make(
            "bedrock",
            options={"access_key": SecretRef("env", "A"), "secret_key": SecretRef("env", "B")},
        ),
        context,
    )
    assert key.headers(CALL) is None
    with pytest.raises(CredentialError, match="one is missing or empty"):
        await key.fetch()


@pytest.mark.parametrize("options", [{"access_key": "AKIDhush"}, {"use_role": True}])
def test_half_a_credential_is_a_problem_at_load(context, make, options):
    with pytest.raises(ValueError, match="needs options"):
        aws_key(make("bedrock", options=options), context)


async def test_a_role_is_assumed_with_the_given_keys(endpoint, context, make, clock):
    endpoint.answer = lambda n: (200, sts("AssumeRole", f"ASIA{n}", clock() + 3600))
    options = {
        **STATIC,
        "use_role": True,
        "role_arn": "arn:aws:iam::1:role/r",
        "external_id": "x",
        "sts_endpoint": endpoint.url,
    }
    key = aws_key(make("bedrock", options=options), context)
    assert key.headers(CALL) is None
    await asyncio.gather(*(key.fetch() for _ in range(200)))
    assert len(endpoint.asked) == 1
    _, path, headers, body = endpoint.asked[0]
    fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert path == "/"
    assert (
        fields["Action"],
        fields["RoleArn"],
        fields["ExternalId"],
        fields["RoleSessionName"],
    ) == (
        "AssumeRole",
        "arn:aws:iam::1:role/r",
        "x",
        "pilotfish",
    )
    host = endpoint.url.removeprefix("http://")
    check = sign(
        "POST",
        host,
        "/",
        (),
        body,
        AwsKeys("AKIDhush", "hush"),
        region="eu-central-1",
        service="sts",
        now_wall=clock(),
    )
    assert headers["authorization"] == dict(check)["authorization"]
    assert key.headers(CALL) == expected(AwsKeys("ASIA1", "hush/ASIA1", "hush+ASIA1=="), clock())
    await key.close()


async def test_an_assumed_roles_keys_are_not_used_past_their_end(endpoint, context, make, clock):
    """The gateway seed cached them for ever."""
    endpoint.answer = lambda n: (200, sts("AssumeRole", f"ASIA{n}", clock() + 900))
    key = aws_key(
        make("bedrock", options={**STATIC, "role_arn": "arn", "sts_endpoint": endpoint.url}),
        context,
    )
    await key.fetch()
    clock.now += 900
    assert key.headers(CALL) is None
    await key.fetch()
    assert key.headers(CALL) == expected(AwsKeys("ASIA2", "hush/ASIA2", "hush+ASIA2=="), clock())
    await key.close()


async def test_a_refused_role_is_fetched_anew_once(endpoint, context, make, clock):
    endpoint.answer = lambda n: (200, sts("AssumeRole", f"ASIA{n}", clock() + 900))
    key = aws_key(
        make("bedrock", options={**STATIC, "role_arn": "arn", "sts_endpoint": endpoint.url}),
        context,
    )
    await key.fetch()
    sent = key.headers(CALL)
    assert key.refused(sent)
    await key.fetch()
    assert key.refused(sent), "signed with keys that are gone"
    assert not key.refused(key.headers(CALL))
    await key.close()


async def test_a_role_that_may_not_be_assumed(endpoint, context, make):
    endpoint.answer = lambda n: (
        403,
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hush</Message></Error></ErrorResponse>",
    )
    key = aws_key(
        make("bedrock", options={**STATIC, "role_arn": "arn", "sts_endpoint": endpoint.url}),
        context,
    )
    with pytest.raises(CredentialError, match=r"403 \(AccessDenied\)") as e:
        await key.fetch()
    assert e.value.outcome is Outcome.AUTH_FAILED
    assert "hush" not in str(e.value) + repr(key)


async def test_an_answer_without_credentials(endpoint, context, make):
    endpoint.answer = lambda n: (200, "<AssumeRoleResponse/>")
    key = aws_key(
        make("bedrock", options={**STATIC, "role_arn": "arn", "sts_endpoint": endpoint.url}),
        context,
    )
    with pytest.raises(CredentialError, match="holds no credentials"):
        await key.fetch()


async def test_a_web_identity_needs_no_keys_and_no_library(
    endpoint, context, make, clock, tmp_path
):
    token = tmp_path / "token"
    token.write_text("hush-jwt")
    context.environ.update(
        AWS_ROLE_ARN="arn:role",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ENDPOINT_URL_STS=endpoint.url,
        AWS_REGION="eu-central-1",
    )
    provider = make("bedrock")
    assert not needs_extra(provider, context.environ)
    endpoint.answer = lambda n: (200, sts("AssumeRoleWithWebIdentity", "ASIA", clock() + 3600))
    key = aws_key(provider, context)
    await key.fetch()
    _, _, headers, body = endpoint.asked[0]
    fields = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert (fields["Action"], fields["WebIdentityToken"], fields["RoleArn"]) == (
        "AssumeRoleWithWebIdentity",
        "hush-jwt",
        "arn:role",
    )
    assert "authorization" not in headers
    assert key.headers(CALL) == expected(AwsKeys("ASIA", "hush/ASIA", "hush+ASIA=="), clock())
    await key.close()


async def test_a_web_identity_whose_file_is_gone(context, make):
    context.environ.update(AWS_ROLE_ARN="arn:role", AWS_WEB_IDENTITY_TOKEN_FILE="/nowhere/token")
    key = aws_key(make("bedrock"), context)
    with pytest.raises(CredentialError, match="token file cannot be read"):
        await key.fetch()


async def test_a_role_on_top_of_a_web_identity(endpoint, context, make, clock, tmp_path):
    token = tmp_path / "token"
    token.write_text("hush-jwt")
    context.environ.update(AWS_ROLE_ARN="arn:pod", AWS_WEB_IDENTITY_TOKEN_FILE=str(token))
    endpoint.answer = lambda n: (200, sts("X", f"ASIA{n}", clock() + 3600))
    key = aws_key(
        make(
            "bedrock",
            options={
                "region": "eu-central-1",
                "role_arn": "arn:other",
                "sts_endpoint": endpoint.url,
            },
        ),
        context,
    )
    await key.fetch()
    assert ["WebIdentity" in body.decode() for *_, body in endpoint.asked] == [True, False]
    assert key.headers(CALL) == expected(AwsKeys("ASIA2", "hush/ASIA2", "hush+ASIA2=="), clock())
    await key.close()


async def test_the_environments_keys(context, make, clock):
    context.environ.update(
        AWS_ACCESS_KEY_ID="ENVhush",
        AWS_SECRET_ACCESS_KEY="hush-s",
        AWS_DEFAULT_REGION="eu-central-1",
    )
    key = aws_key(make("bedrock"), context)
    assert key.headers(CALL) == expected(AwsKeys("ENVhush", "hush-s"), clock())


# ---- AWS's default search: botocore itself


@pytest.fixture
def search(context, make, monkeypatch, tmp_path):
    """Makes keys of the default search in an environment that holds only what a test gives:
    `search(profile="x", AWS_REGION=...)`.
    """
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        "botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0
    )  # between its tries

    def made(profile: str = "", **environ: str):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return aws_key(
            make(
                "bedrock",
                options={"region": "eu-central-1", **({"profile": profile} if profile else {})},
            ),
            context,
        )

    return made


def session_keys(n: int) -> tuple[int, object]:
    """What the agents of EKS and ECS answer."""
    expires = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat().replace("+00:00", "Z")
    return 200, {
        "AccessKeyId": f"POD{n}",
        "SecretAccessKey": "hush-s",
        "Token": "t",
        "Expiration": expires,
    }


async def failure_of(key) -> CredentialError:
    with pytest.raises(CredentialError) as e:
        await key.fetch()
    await key.close()
    return e.value


async def test_a_search_without_result(search):
    error = await failure_of(search())
    assert (error.outcome, str(error)) == (
        Outcome.AUTH_FAILED,
        "AWS default credentials of 'p': none found",
    )


@pytest.mark.parametrize("answer", [(500, "down"), (200, "no json")])
async def test_an_agent_that_fails_is_no_refusal(search, endpoint, answer):
    endpoint.answer = lambda n: answer
    assert (
        await failure_of(search(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{endpoint.url}/v1"))
    ).outcome is Outcome.CONNECT_FAILED


async def test_an_agent_that_is_not_there_is_no_refusal_either(search):
    assert (
        await failure_of(search(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/v1"))
    ).outcome is Outcome.CONNECT_FAILED


async def test_a_search_that_takes_too_long_is_left(search, endpoint, monkeypatch):
    monkeypatch.setattr(aws_module, "SEARCH_S", 0.05)
    endpoint.gate.clear()
    error = await failure_of(search(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{endpoint.url}/v1"))
    endpoint.gate.set()
    assert (error.outcome, str(error)) == (
        Outcome.TIMEOUT,
        "AWS default credentials of 'p': none within 0.05 s",
    )


async def test_a_pods_identity_on_eks(search, endpoint, clock, tmp_path):
    clock.now = time.time()
    token = tmp_path / "token"
    token.write_text("projected-1")
    endpoint.answer = session_keys
    key = search(
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{endpoint.url}/v1/credentials",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token),
    )
    await asyncio.gather(*(key.fetch() for _ in range(200)))
    assert key.headers(CALL) == expected(AwsKeys("POD1", "hush-s", "t"), clock())
    token.write_text("projected-2")
    assert key.refused(key.headers(CALL))
    await key.fetch()
    assert key.headers(CALL) == expected(AwsKeys("POD2", "hush-s", "t"), clock())
    assert [headers["authorization"] for _, _, headers, _ in endpoint.asked] == [
        "projected-1",
        "projected-2",
    ]
    await key.close()


async def test_keys_that_expire_are_not_used_past_their_end(search, endpoint, clock):
    clock.now = time.time()
    endpoint.answer = session_keys
    key = search(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{endpoint.url}/v1")
    await key.fetch()
    clock.now += 3700
    assert key.headers(CALL) is None
    await key.close()


async def test_a_profile_of_a_file_is_read_anew_when_its_keys_are_refused(search, clock, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[team]\naws_access_key_id = PROFILE\naws_secret_access_key = hush-s\n")
    key = search("team")
    await key.fetch()
    assert key.headers(CALL) == expected(AwsKeys("PROFILE", "hush-s"), clock())
    file.write_text("[team]\naws_access_key_id = ROTATED\naws_secret_access_key = hush-s\n")
    assert key.refused(key.headers(CALL))
    await key.fetch()
    assert key.headers(CALL) == expected(AwsKeys("ROTATED", "hush-s"), clock())
    await key.close()


def test_a_profile_needs_the_library_whatever_the_environment_says(make):
    provider = make("bedrock", options={"profile": "team"})
    assert needs_extra(provider, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})


async def test_a_profile_that_does_not_exist(context, make, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    key = aws_key(make("bedrock", options={"profile": "nobody"}), context)
    with pytest.raises(CredentialError, match="ProfileNotFound"):
        await key.fetch()


@pytest.mark.parametrize(
    ("options", "base", "environ", "region"),
    [
        ({"region": "us-west-2"}, "", {"AWS_REGION": "x"}, "us-west-2"),
        ({}, "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", {}, "eu-west-1"),
        (
            {},
            "https://bedrock-runtime.ap-southeast-2.amazonaws.com",
            {"AWS_REGION": "x"},
            "ap-southeast-2",
        ),
        ({}, "", {"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ({}, "", {}, "us-east-1"),
    ],
)
def test_the_region_to_sign_for(make, options, base, environ, region):
    assert region_of(make("bedrock", base=base, options=options), environ) == region


def test_nothing_is_signed_without_a_call():
    with pytest.raises(ValueError, match="covers the call"):
        signed(None, AwsKeys("a", "b"), "r", "s", 0.0)
