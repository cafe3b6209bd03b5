"""docs/translation.md says what trying says."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_as_trying_has_it_with_a_table_for_each_pair():
    page = runpy.run_path(str(DOCS / "translation_page.py"))["page"]()
    assert (DOCS / "translation.md").read_text() == page, "run: make docs"
    assert page.count("\n## ") == 20
    assert page.count("| carried |") == page.count("| dropped |") == 20
