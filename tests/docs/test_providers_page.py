"""docs/providers.md says what the records say."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_records_generate():
    page = runpy.run_path(str(DOCS / "providers_page.py"))["page"]()
    assert (DOCS / "providers.md").read_text() == page, (
        "run: python docs/providers_page.py > docs/providers.md"
    )
