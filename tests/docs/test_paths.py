"""What pages name in the tree is there."""

import re
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pilotfish"
PAGES = sorted(
    chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "charts").rglob("*.md"))
)
NAMED = re.compile(r"`(\.?[\w.*-]+(?:/[\w.*-]+)*/?)`")
ROOMS = {path.name for path in SOURCE.iterdir() if path.is_dir()}
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {".venv", ".git"}


def paths_named(page):
    """What is said in the form of a path of the tree: from its root, or from src/pilotfish."""
    for name in NAMED.findall(page.read_text()):
        first, slash, _ = name.partition("/")
        if slash and first in ROOMS | FOLDERS and "acme" not in name:
            yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_path_that_a_page_names_is_there(page):
    missing = [
        name
        for name in paths_named(page)
        if not any(list(root.glob(name.rstrip("/"))) for root in (ROOT, SOURCE))
    ]
    assert missing == []


def test_a_path_that_is_not_there_would_be_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("see `core/nothing.py` and `openai/gpt-4o`, `docs/rules.md` and `tests/`")
    assert list(paths_named(page)) == ["core/nothing.py", "docs/rules.md", "tests/"]
