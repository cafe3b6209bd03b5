"""`rules` and `virtual_models`: every key of the reference, and the defaults of races and hedges."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pilotfish.core.model.snapshot import Affinity, Hedge
from pilotfish.core.rules.schema.base import Spec
from pilotfish.core.rules.schema.rules import (
    AffinitySpec,
    BlockSpec,
    HedgeSpec,
    RaceSpec,
    RuleSpec,
    ServiceSpec,
    TacticSpec,
    VirtualModelSpec,
)

KEYS = """name uuid scenario request_model response_model description active services lb_tactic
    tactic smart_enabled smart_routing affinity race hedge fallbacks fallback_on on_stream_break
    buffer queue_ms unsupported timeouts retries health cooldown"""


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (ServiceSpec, {"provider": "a", "weight": -1}),
        (ServiceSpec, {"provider": "a", "tier": -1}),
        (ServiceSpec, {"provider": "a", "fallback_on": ["anger"]}),
        (BlockSpec, {"ops": [], "services": [{"provider": "a"}]}),
        (BlockSpec, {"ops": [{"position": "token", "operation": "ge"}], "services": []}),
        (AffinitySpec, {"by": "moon"}),
        (RaceSpec, {"max_parallel": 1}),
        (HedgeSpec, {"after": "p50"}),
        (RuleSpec, {"scenario": "9lives"}),
        (RuleSpec, {"lb_tactic": 3}),
        (VirtualModelSpec, {"providers": []}),
    ],
)
def test_what_makes_no_sense_is_refused(model: type[Spec], given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(given)


def test_all_documented_keys_are_there() -> None:
    assert set(KEYS.split()) <= set(RuleSpec.model_fields)


def test_a_tactic_may_be_given_by_its_name_alone() -> None:
    assert RuleSpec.model_validate({"lb_tactic": "random"}).lb_tactic == "random"
    assert RuleSpec.model_validate({"lb_tactic": {"type": "random"}}).lb_tactic == TacticSpec(
        type="random"
    )


def test_defaults_of_races_hedges_and_affinity_are_those_of_the_records() -> None:
    hedge, affinity = HedgeSpec(), AffinitySpec(by="user")
    assert RaceSpec().max_parallel is None, "the defaults' may be another"
    assert (hedge.min_ms / 1000, hedge.budget_percent) == (Hedge().min_s, Hedge().budget_percent)
    assert affinity.ttl_s == Affinity("user").ttl_s
