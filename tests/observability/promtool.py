"""Stories for promtool: series, a time to look, and what alerts then say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml


def promtool(*words: str) -> tuple[int, str]:
    program = shutil.which("promtool")
    assert program is not None, "no promtool in PATH: apt-get install prometheus"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=50)
    return done.returncode, done.stdout + done.stderr


def alerts(path: Path) -> dict[str, dict[str, Any]]:
    """Each alert of a rules file by its name."""
    return {
        r["alert"]: r
        for g in yaml.safe_load(path.read_text())["groups"]
        for r in g["rules"]
        if "alert" in r
    }


def story(
    alert: str, minutes: int, series: dict[str, str], told: list[dict[str, Any]]
) -> dict[str, Any]:
    """A test as promtool wants it; `told`: labels and annotations of those that fire."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"alertname": alert, "eval_time": f"{minutes}m", "exp_alerts": told}],
    }


def told_by(rule: dict[str, Any], labels: dict[str, str], summary: str) -> list[dict[str, Any]]:
    return [
        {
            "exp_labels": {**labels, **rule["labels"]},
            "exp_annotations": {**rule["annotations"], "summary": summary},
        }
    ]


def rule_tests(folder: Path, rules: Path, tests: list[dict[str, Any]]) -> tuple[int, str]:
    path = folder / "tests.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests})
    )
    return promtool("test", "rules", str(path))
