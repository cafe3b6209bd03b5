"""Variants are found, not listed: the name of a provider kind, of a tactic or of a style stands in
its own module and in no list. What names one all the same is here, with its reason.
"""

from __future__ import annotations

import pytest

from layout.source_index import SOURCE, sources, strings
from pilotfish import providers, styles, tactics

STYLES = frozenset(styles.names())
# Four kinds are called like the style that they speak; they count as styles.
KINDS = frozenset(providers.names()) - STYLES
TACTICS = frozenset(tactics.names())

OTHER_TOOLS = "what other tools' files say, in the words of ours: their vocabulary is closed"
# File or folder below src/pilotfish -> (names, why).
KINDS_NAMED = {
    "core/rules/importing/litellm_models.py": (
        {"azure", "vertex", "ollama", "openai_compatible"},
        f"{OTHER_TOOLS}, by parameters of their own for these",
    ),
    "core/rules/importing/tingly.py": ({"openai_compatible", "gemini_openai"}, OTHER_TOOLS),
    "styles/bedrock/models.py": ({"mistral"}, "whose models Bedrock has, by its own ids"),
    "credentials/store.py": ({"azure"}, "a pip extra (`ProviderKind.extra`), not the kind"),
    "providers/claude_foundry.py": ({"azure"}, "the same"),
}
TACTICS_NAMED = {
    "core/rules/importing/": (TACTICS, OTHER_TOOLS),
    "core/rules/compile/tactics.py": ({"adaptive"}, "what a rule without a tactic has"),
    "tactics/__init__.py": ({"adaptive"}, "what a rule without a tactic has"),
    "styles/": ({"adaptive"}, "a word of Anthropic's for thinking"),
    "simulated/": ({"adaptive"}, "a word of Anthropic's for thinking"),
}
STYLES_NAMED = {
    "core/model/provider.py": (STYLES, "CHAT_STYLES: the five operations that may be translated"),
    "core/exchange/": (STYLES, "the paths that clients call, which their SDKs fix"),
    "core/rules/compile/providers.py": ({"openai"}, "stands in where the kind is unknown"),
    "core/rules/importing/": (STYLES, OTHER_TOOLS),
    "providers/": (STYLES, "a record says which style it speaks"),
    "styles/": (STYLES, "whose signatures, files and hosted tools a style can carry back"),
    "passthrough/places.py": (
        {"anthropic"},
        "whose batches name a place that its clients go on to",
    ),
    "telemetry/children.py": (
        {"openai", "anthropic", "google"},
        "scenarios of the rules file, and the style that their clients speak",
    ),
    "credentials/": ({"anthropic", "bedrock", "google"}, "schemes and services of clouds"),
    "simulated/": (STYLES, "a simulated vendor has a side for each style"),
    "demo/scene.py": ({"openai", "anthropic", "google"}, "the demo's own rules and vendors"),
}


def named(package: str, names: frozenset[str]) -> dict[str, set[str]]:
    """File -> names of variants in it, their own modules left out."""
    found: dict[str, set[str]] = {}
    for path in sources():
        own = path.relative_to(SOURCE).parts[:2]
        for _, text in strings(path):
            if text in names and own not in ((package, f"{text}.py"), (package, text)):
                found.setdefault(str(path.relative_to(SOURCE)), set()).add(text)
    return found


@pytest.mark.parametrize(
    ("package", "names", "allowed"),
    [
        ("providers", KINDS, KINDS_NAMED),
        ("tactics", TACTICS, TACTICS_NAMED),
        ("styles", STYLES, STYLES_NAMED),
    ],
    ids=["providers", "tactics", "styles"],
)
def test_a_variant_is_named_in_its_own_module_only(package, names, allowed):
    found = named(package, names)
    listed = {
        path: unexplained
        for path, used in found.items()
        if (
            unexplained := used
            - {
                name
                for place, (may, why) in allowed.items()
                if path == place or (place.endswith("/") and path.startswith(place))
                for name in may
                if why
            }
        )
    }
    assert listed == {}
    # what is excused is still there
    for place, (may, _) in allowed.items():
        used = {n for path, names in found.items() if path.startswith(place) for n in names}
        assert used, f"{place} names none any more: one line less"
        assert place.endswith("/") or set(may) <= used, f"{place}: {set(may) - used} gone"
