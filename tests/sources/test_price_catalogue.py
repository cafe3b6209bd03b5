"""The package's list prices: every entry is a price, and known models have the ones that their
vendors' pages name.
"""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from pilotfish import providers
from pilotfish.core.exchange.usage import cost_of
from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.price_list import PriceList
from pilotfish.core.model.service import Provider
from pilotfish.core.rules.schema.prices import PriceSpec
from pilotfish.sources.price_catalogue import known_models, list_price, vendors


def price_at(kind: str, model: str, **options: str):
    made = providers.all_kinds()[kind]
    provider = Provider("p", made, "https://x.example", made.style, {}, options=options)
    return PriceList(catalogue=list_price).of(provider, model)


def test_every_entry_is_a_price_and_every_list_has_its_page_and_day():
    for vendor, entry in vendors().items():
        assert entry.page.startswith("https://"), vendor
        assert date(2026, 1, 1) < date.fromisoformat(entry.as_of) <= date(2026, 11, 21)
        for model, given in entry.models.items():
            spec = PriceSpec.model_validate(msgspec.json.decode(given))
            assert spec.input > 0, model
            assert spec.cached_input is None or spec.cached_input <= spec.input, model
            assert spec.cache_write is None or spec.cache_write >= spec.input, model


def test_a_model_that_no_list_has_is_not_made_up():
    assert list_price("openai", "gpt-2") is None
    assert list_price("acme", "gpt-4o") is None
    assert price_at("openai_compatible", "gpt-4o") is None
    assert price_at("vllm", "gpt-4o") is None


@pytest.mark.parametrize(
    ("kind", "model", "options", "into", "out"),
    [
        ("openai", "gpt-4o", {}, 2.5, 10),
        ("openai", "gpt-4o-2024-05-13", {}, 5, 15),  # listed itself
        ("openai", "gpt-4o-2024-08-06", {}, 2.5, 10),
        ("azure", "gpt-4.1", {}, 2, 8),
        ("anthropic", "claude-sonnet-4-5-20250929", {}, 3, 15),
        ("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, 3, 15),
        ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", {}, 3.3, 16.5),
        ("vertex", "claude-sonnet-4-5@20250929", {"location": "global"}, 3, 15),
        ("vertex", "gemini-2.5-pro", {"location": "us-central1"}, 1.25, 10),
        ("google", "gemini-2.5-flash", {}, 0.3, 2.5),
    ],
)
def test_known_models_cost_what_their_vendors_say(kind, model, options, into, out):
    price = price_at(kind, model, **options)
    assert (price.input, price.output) == (pytest.approx(into), pytest.approx(out))
    assert price.source.startswith("list 2026-")


def test_long_requests_tiers_and_audio_cost_what_their_pages_say():
    million = 1_000_000
    haiku = list_price("anthropic", "claude-haiku-5-5")
    assert cost_of(Usage(input=100_000), haiku) == pytest.approx(0.01)
    assert cost_of(Usage(input=100_001, output=1000), haiku) == pytest.approx(0.0500005 + 0.0025)
    flagship = list_price("openai", "gpt-5.5")
    assert cost_of(Usage(output=million, tier="priority"), flagship) == pytest.approx(75)
    assert cost_of(Usage(output=million, tier="flex"), flagship) == pytest.approx(15)
    assert cost_of(Usage(output=million, tier="default"), flagship) == pytest.approx(30)
    heard = Usage(input=million, audio_input=million // 2)
    assert cost_of(heard, list_price("google", "gemini-2.5-flash")) == pytest.approx(0.15 + 0.5)
    drawn = Usage(output=million, image_output=million)
    assert cost_of(drawn, list_price("openai", "gpt-image-1")) == pytest.approx(40)


@pytest.mark.parametrize(
    ("kind", "base", "model", "known"),
    [
        ("openai", "", "gpt-4o", True),
        ("openai", "", "whisper-1", True),
        ("openai", "", "gtp-4o", False),
        ("anthropic", "", "claude-opus-4-5", True),
        ("openai", "http://own:8000/v1", "anything", None),
        ("mistral", "", "mistral-small-latest", None),
        ("ollama", "", "anything", None),
    ],
)
def test_whole_lists_say_which_models_a_vendor_has(kind, base, model, known):
    record = providers.get(kind)
    provider = Provider("p", record, base or record.base_url, record.style, record.paths)
    models = known_models(provider)
    assert (None if models is None else model in models) == known
