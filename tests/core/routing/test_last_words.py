"""What clients read where no service could be asked: who is out, why, and until when."""

from __future__ import annotations

from core.routing.playbook import House
from pilotfish.core.model.outcome import NO_CREDENTIAL, Failure, Outcome
from pilotfish.core.routing.attempt_state import NO_SERVICE, RATE_LIMITED
from pilotfish.core.routing.last_words import last_words

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z, when the ledger's clock says `now`


def words(house: House, failure: Failure = NO_SERVICE, now: float = 0.0, op: str = "chat") -> str:
    return last_words(failure, house.plan(op=op), now, WALL + now).message


def test_each_service_is_named_with_its_reason_and_its_end() -> None:
    house = House("a b")
    house.happened("a", Outcome.RATE_LIMITED, 0, wait_s=30)
    house.happened("b", Outcome.SERVER_ERROR, 0, times=3)
    text = words(house, RATE_LIMITED, 4)
    assert text.startswith("all services of this rule are at their rate limits (rule 'chat'): ")
    a, b = text.partition("'chat'): ")[2].split("; ")
    assert a == (
        "a/m: cooling until 2023-11-14T22:13:50Z (26 s): "
        "rate_limited (status 429, asked to wait 30 s)"
    )
    assert b.startswith("b/m: cooling until ")
    assert b.endswith("server_error (status 500)")


def test_a_refused_key_is_told_with_the_providers_name_and_the_time_of_the_refusal() -> None:
    """The client that met it got the vendor's status; the later ones must learn it too."""
    house = House("a", a="token: {env: KEY}")
    house.happened("a", Outcome.AUTH_FAILED, 5)
    assert words(house, now=10).endswith(
        "a/m: a refused the proxy's credential (status 401) at 2023-11-14T22:13:25Z"
    )


def test_a_credential_that_is_not_there_is_told_by_its_place() -> None:
    house = House("a", a="token: {env: KEY}")
    message = "no usable credential for a: environment variable KEY is not set"
    house.failed(
        "a",
        Failure(outcome=Outcome.AUTH_FAILED, status=502, message=message, code=NO_CREDENTIAL),
        0,
    )
    assert words(house).endswith(f"a/m: {message}, at 2023-11-14T22:13:20Z")


def test_while_one_of_two_keys_is_good_the_service_is_not_said_to_be_refused() -> None:
    house = House("a", a="tokens: [{env: A}, {env: B}]")
    house.happened("a", Outcome.AUTH_FAILED, 0)
    assert "refused" not in words(house)


def test_a_long_list_is_cut() -> None:
    house = House(" ".join("abcdefgh"))
    for name in "abcdefgh":
        house.happened(name, Outcome.RATE_LIMITED, 0, wait_s=30)
    text = words(house)
    assert "e/m: cooling" in text
    assert "f/m" not in text
    assert text.endswith("; and 3 more")


def test_what_no_service_could_ever_do_is_the_clients_error_with_the_reason() -> None:
    """A 503 would be tried again by every SDK, for ever."""
    rule = "services: [{provider: cl, model: m}, {provider: cl, model: n}]"
    house = House("", rule, more="  cl: {kind: anthropic, token: {env: KEY}}")
    failure = last_words(NO_SERVICE, house.plan(op="embeddings"), 0.0, WALL)
    assert (failure.outcome, failure.status) == (Outcome.BAD_REQUEST, 400)
    why = "provider kind 'anthropic' has no embeddings"
    assert failure.message == (
        f"no service of rule 'chat' can do embeddings: cl/m ({why}); cl/n ({why})"
    )


def test_services_that_are_switched_off_are_the_operators_matter() -> None:
    house = House("", "services: [{provider: a, model: m, active: false}]", others="a")
    failure = last_words(NO_SERVICE, house.plan(), 0.0, WALL)
    assert (failure.status, failure.message) == (
        503,
        "no service of rule 'chat' is in use: a/m is inactive",
    )
