"""Lists of models: names that a client may ask for, in the form of the vendor it takes us for."""

import orjson
import pytest

from fleet import provider, service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.proxy.model_list import models_answer

SNAPSHOT = Snapshot(
    rules=(
        Rule(name="chat", request_model="m", description="everyday", services=(service("x"),)),
        Rule(name="again", request_model="m", services=(service("x"),)),
        Rule(name="glob", request_model="gpt-*", services=(service("x"),)),
        Rule(name="off", request_model="off", active=False, services=(service("x"),)),
    ),
    providers={"acme": provider("acme", models=frozenset({"big"})), "open": provider("open")},
)


def listed(
    version: str = "v1", *, anthropic: bool = False, name: str | None = None
) -> tuple[int, dict]:
    status, body = models_answer(SNAPSHOT, (version, name), anthropic)
    return status, orjson.loads(body)


@pytest.mark.parametrize("name", ["nobody", "off", "gpt-*", "open/x"])
def test_a_name_that_cannot_be_asked_for_is_missing_in_every_form(name):
    assert listed(name=name)[0] == 404
    assert listed(name=name)[1]["error"]["code"] == "model_not_found"
    assert listed(name=name, anthropic=True)[1]["error"]["type"] == "not_found_error"
    assert listed("v1beta", name=name)[1]["error"]["status"] == "NOT_FOUND"


def test_each_name_is_listed_once():
    assert [m["id"] for m in listed()[1]["data"]] == ["acme/big", "m"]
    assert [m["id"] for m in listed(anthropic=True)[1]["data"]] == ["acme/big", "m"]
    assert [m["name"] for m in listed("v1beta")[1]["models"]] == ["models/acme/big", "models/m"]


def test_anthropics_list_names_its_ends():
    body = listed(anthropic=True)[1]
    assert (body["first_id"], body["last_id"], body["has_more"]) == ("acme/big", "m", False)
    empty = orjson.loads(models_answer(Snapshot(), ("v1", None), True)[1])
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


def test_one_model():
    assert listed(name="m")[1]["description"] == "everyday"
    assert listed("v1beta", name="models/m")[1]["name"] == "models/m"
