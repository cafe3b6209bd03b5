"""Writes docs/translation.md from what tests/translation_table.py finds: `python
docs/translation_page.py > docs/translation.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

TESTS = str(Path(__file__).parents[1] / "tests")

INTRO = """# What translation keeps

Made by trying (`tests/translation_table.py`, run by `tests/styles/test_translation_table.py`); do not edit. Anew: `make docs`.

A client of one style is served by a provider of another. For each such pair: what of the client's **request** reaches the provider, and what of
the provider's **answer** reaches the client. Only what the sender's own style has is listed. What is *approximated* is there in another form.
What is *dropped* from a request is named in the answer's header `x-pilotfish-dropped` and counted (`pilotfish_dropped_fields_total`); the name stands
in brackets. A rule's `unsupported` decides whether such a service is asked at all: [rules](rules.md).

Fields that only one vendor has (`logit_bias`, `safetySettings`, `guardrailConfig`, ...) are dropped and named on the way to every other. Where both speak
the same style nothing is translated. Vendors that speak a style in their own way are in [providers](providers.md).

A Responses client that names what OpenAI keeps (`previous_response_id`, `item_reference`) instead of sending it is refused where another style serves. The AI SDK
does so unless its option `store` is false.

Asked were {asked}.
Proof of thinking is a signature or encrypted reasoning: clients get it in a place that their style has, hand it back with the next turn, and the vendor
that made it gets it back as it was. Another vendor that serves the next turn gets all but that, also where it speaks the client's own style.
"""


def page() -> str:
    sys.path.insert(0, TESTS)
    try:
        import translation_table as table
    finally:
        sys.path.remove(TESTS)
    asked = ", ".join(
        f"`{model}` ({table.TITLES[style]})" for style, (_, model) in table.ASKED.items()
    )
    parts = [INTRO.format(asked=asked)]
    for client, upstream in table.PAIRS:
        parts.append(f"## {table.TITLES[client]} client, {table.TITLES[upstream]} provider\n")
        parts.append(_table(table.requests(client, upstream), table.answers(client, upstream)))
    return "\n".join(parts)


def _table(asked: dict[str, Any], answered: dict[str, Any]) -> str:
    rows = ["| | request | answer |", "| --- | --- | --- |"]
    rows += [
        f"| {state} | {_cells(asked, state)} | {_cells(answered, state)} |"
        for state in ("carried", "approximated", "dropped")
    ]
    return "\n".join(rows) + "\n"


def _cells(found: dict[str, Any], state: str) -> str:
    told = []
    for name, cell in found.items():
        if cell.state != state:
            continue
        named = " ".join(f"`{field}`" for field in cell.named)
        text = name + (f": {cell.how}" if cell.how else "") + (f" ({named})" if named else "")
        told.append(text)
    return ("; " if state == "approximated" else ", ").join(told) or "-"


if __name__ == "__main__":
    print(page(), end="")
