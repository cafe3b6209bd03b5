"""Rules and their texts that are traps: each is read or refused in words, whatever it is, and what
it takes is in proportion to its size.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hostile.steps import steps
from hostile.test_pods import bomb
from pilotfish.core.rules.compile import compile_documents
from pilotfish.core.rules.documents import documents_of_text
from pilotfish.core.rules.yaml_text import TextError, parse
from pilotfish.errors import RuleError
from pilotfish.providers import all_kinds
from pilotfish.tactics import all_tactics

PROVIDER = "providers: {a: {kind: openai, token: {env: K}}}\n"
RULE = (
    PROVIDER.replace("{", "{{").replace("}", "}}")
    + "rules: [{{name: r, services: [{{provider: a, model: m}}], {}}}]"
)


def rules(n: int, one: str) -> str:
    return PROVIDER + "rules:\n" + "".join(f"  - {one.format(i=i)}\n" for i in range(n))


def smart(operation: str) -> str:
    ops = f"ops: [{operation}]"
    return RULE.format(f"smart_enabled: true, smart_routing: [{{description: d, {ops}, services: [{{provider: a, model: m}}]}}]")  # fmt: skip


REFUSED: dict[str, str] = {
    "aliases that unfold without end": bomb(12, merge=False),
    "merges that unfold without end": bomb(12, merge=True),
    "lists within lists": "rules: " + "[" * 100_000,
    "objects within objects": "rules: " + "{a: " * 100_000,
    "lines that are ever deeper": "\n".join(" " * i + "a:" for i in range(2000)),
    "JSON within JSON": '{"rules": ' + "[" * 100_000,
    "an anchor of itself": "rules: &a [*a]",
    "an alias of nothing": "rules: *b",
    "a tag of Python's": "rules: !!python/object/apply:os.system [id]",
    "a tag of a set": "rules: !!set {a, b}",
    "binary": "rules: !!binary AAAA",
    "keys that are lists": "? [a]\n: b",
    "a key twice": "rules: []\nrules: []",
    "a key twice in JSON": '{"rules": [], "rules": []}',
    "lone surrogates": "rules: [{name: \ud800}]",
    "lone surrogates that are escaped": '{"rules": [{"name": "\\ud800"}]}',
    "a NUL": "rules: \0",
    "tabs": "rules:\n\t- a",
    "nine megabytes": "# " + "x" * 9_000_000,
    "NaN": '{"rules": NaN}',
    "a list": "[1, 2]",
    "a text": "rules",
    "rules that are a number": "rules: 1",
    "rules that are a text": "rules: x",
    "a rule that is null": "rules: [null]",
    "providers that are a list": "providers: [a]",
    "a provider that is null": "providers: {a: }",
    "a kind that is a list": "providers: {a: {kind: [openai]}}",
    "a kind of nobody's": "providers: {a: {kind: ../openai}}",
    "a kind that is a module's": "providers: {a: {kind: __init__}}",
    "an address of a file": "providers: {a: {kind: openai_compatible, api_base: 'file:///etc/passwd', no_key_required: true}}",
    "an address without a host": "providers: {a: {kind: openai_compatible, api_base: 'http://', no_key_required: true}}",
    "an address with line ends": 'providers: {a: {kind: openai_compatible, api_base: "http://a\\r\\nb: c", no_key_required: true}}',
    "a header with line ends": 'providers: {a: {kind: openai, token: {env: K}, headers: {x: "a\\r\\nb: c"}}}',
    "a header's name with a colon": 'providers: {a: {kind: openai, token: {env: K}, headers: {"a: b": c}}}',
    "a key in the place of a name": "providers: {a: {kind: openai, token: {env: sk-proj-abcdefghijklmnopqrstuvwxyz0123456789}}}",
    "a weight of infinity": RULE.format("x: 1").replace("model: m", "model: m, weight: .inf"),
    "a weight below nothing": RULE.format("x: 1").replace("model: m", "model: m, weight: -1"),
    "a weight of 400 digits": RULE.format("x: 1").replace("model: m", "model: m, weight: " + "9" * 400),
    "a time of NaN": RULE.format("timeouts: {idle_s: .nan}"),
    "an expression that does not end": smart("{position: user, operation: regex, value: '('}"),
    "an expression that looks back": smart("{position: user, operation: regex, value: '(a)\\1'}"),
    "twenty thousand fallbacks": RULE.format("fallbacks: [" + "b/c, " * 20_000 + "]"),
    "a rule that names nobody": rules(1, "{{name: r, services: [{{provider: b, model: m}}]}}"),
    "ten thousand rules of one name": rules(3_000, "{{name: r, services: [{{provider: a, model: m}}]}}"),
}  # fmt: skip
TAKEN: dict[str, str] = {
    "an expression that others take forever for": smart("{position: user, operation: regex, value: '(a+)+$'}"),
    "a glob of many stars": rules(1, "{{name: r, request_model: '" + "*a" * 200 + "', services: [{{provider: a, model: m}}]}}"),
    "nothing": "",
    "comments": "# nothing\n" * 1000,
    "documents of nothing": "---\n" * 1000,
}  # fmt: skip


def read(text: str) -> list[str]:
    """The problems with a text."""
    try:
        documents = documents_of_text("rules.yaml", text)
        compile_documents(documents, kinds=all_kinds(), tactics=all_tactics())
    except RuleError as refused:
        return [problem.message for problem in refused.problems]
    return []


@pytest.mark.parametrize("what", REFUSED)
def test_a_trap_is_refused_in_words(what: str) -> None:
    found = read(REFUSED[what])
    assert found
    assert all(len(message) < 4000 for message in found)
    assert not any("sk-proj" in message for message in found)


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_odd_and_harmless_is_taken(what: str) -> None:
    assert not read(TAKEN[what])


GROWING: dict[str, Callable[[int], str]] = {
    "rules": lambda n: rules(n, "{{name: r{i}, request_model: m{i}, services: [{{provider: a, model: m}}]}}"),
    "rules with globs": lambda n: rules(n, "{{name: r{i}, request_model: 'm{i}*', services: [{{provider: a, model: m}}]}}"),
    "rules of one name": lambda n: rules(n, "{{name: r, services: [{{provider: a, model: m}}]}}"),
    "services": lambda n: RULE.format("x: 1").replace("x: 1", "active: true").replace("[{provider: a, model: m}]", "[" + ", ".join(f"{{provider: a, model: m{i}}}" for i in range(n)) + "]"),
    "providers": lambda n: "providers:\n" + "".join(f"  p{i}: {{kind: openai, token: {{env: K}}}}\n" for i in range(n)),
    "unknown keys": lambda n: PROVIDER + "".join(f"k{i}: 1\n" for i in range(n)),
    "aliases": lambda n: "x: &a {b: c}\ny: [" + "*a, " * n + "]",
    "names twice in JSON": lambda n: "{" + ", ".join(f'"k{i}": 1' for i in range(n)) + f', "k{n - 1}": 1}}',
}  # fmt: skip


@pytest.mark.interpreted
@pytest.mark.parametrize("what", GROWING)
def test_twice_the_rules_are_twice_the_work(what: str) -> None:
    make = GROWING[what]
    read(make(2))
    small, large = (steps(lambda n=n: read(make(n))) for n in (30, 60))  # type: ignore[misc]
    assert large <= 2.6 * small + 5000, f"{small} steps, {large} for twice as much"


def test_a_name_that_stands_twice_is_named() -> None:
    text = "{" + ", ".join(f'"k{i}": 1' for i in range(1000)) + ', "k999": 1}'
    with pytest.raises(TextError, match="key 'k999' is given twice"):
        parse(text, is_json=True)
