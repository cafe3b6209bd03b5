import runpy
from pathlib import Path

from pilotfish.telemetry.series import CATALOGUE

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_catalogue_says():
    assert (DOCS / "metrics.md").read_text() == runpy.run_path(str(DOCS / "metrics_page.py"))[
        "page"
    ]()


def test_every_metric_is_on_the_page_once():
    rows = [
        line for line in (DOCS / "metrics.md").read_text().splitlines() if line.startswith("| `")
    ]
    assert sorted(row.split("`")[1] for row in rows) == sorted(s.name for s in CATALOGUE)
