"""What CONTRIBUTING says of adding things is true: in a copy of this tree a provider, a tactic, a
rule field and a metric are made up with the files that its table names, and nothing else. Then the
suite's shared checks take them up; and each of them fails while a part of it is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from layout.source_index import ROOT

SOURCES = "src/pilotfish"
PROVIDER = '''"""Acme: OpenAI's form at an address of its own."""

from __future__ import annotations

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.provider import OPENAI_PATHS, ProviderKind

KIND = ProviderKind(
    name="acme",
    title="Acme",
    docs="https://acme.example/docs",
    style="openai",
    base_url="https://api.acme.example/v1",
    paths=OPENAI_PATHS,
    quirks=Quirks(max_tokens_field="max_tokens"),
)
'''
CASE = """{
  "provider": {"kind": "acme", "token": {"env": "KEY"}},
  "model": "small",
  "probe": "https://api.acme.example/v1/models",
  "requests": [{"op": "chat", "url": "https://api.acme.example/v1/chat/completions",
                "headers": {"authorization": "Bearer planted-key"}}],
  "translated": [],
  "errors": [{"status": 429, "body": {"error": {"message": "slow down"}},
              "outcome": "rate_limited"}]
}
"""
# Another one under a new name: what is made up here must not lean on how tactics look inside.
TACTIC = (
    (ROOT / SOURCES / "tactics" / "least_busy.py")
    .read_text()
    .replace("least_busy", "lot")
    .replace("LeastBusy", "Lot")
)
MOTTO = """

def motto_of(rule: Rule) -> str:
    return rule.motto
"""


class Edit(NamedTuple):
    """One line more in a file: before the first line that matches, or what is made of that line
    behind it.
    """

    before: str
    line: str | Callable[[str], str]


# What the table of CONTRIBUTING calls it -> file -> its text, or the edit. In the order in which
# somebody would make them.
ADDITIONS: dict[str, dict[str, str | Edit]] = {
    "a provider that speaks a known style": {
        f"{SOURCES}/providers/acme.py": PROVIDER,
        "tests/providers/test_acme.py": '"""Acme: nothing odd."""\n\n\ndef test_acme(): ...\n',
        "tests/fixtures/providers/acme/case.json": CASE,
        "tests/fixtures/providers/acme/ABOUT.md": "Made up in 2026-11: https://acme.example/docs\n",
    },
    "a tactic": {
        f"{SOURCES}/tactics/lot.py": TACTIC,
        "tests/tactics/test_lot.py": '"""Lots."""\n\n\ndef test_lot(): ...\n',
    },
    "a rule field": {
        f"{SOURCES}/core/rules/schema/rules.py": Edit(
            r"    buffer: bool", '    motto: str = Field(default="", description="for tests")\n'
        ),
        "tests/fixtures/rules/every-field.txt": Edit(r"    buffer: true", "    motto: hello\n"),
        f"{SOURCES}/core/model/snapshot.py": Edit(r"    buffer: bool", '    motto: str = ""\n'),
        f"{SOURCES}/core/rules/compile/rules.py": Edit(
            r" +description=spec\.description", "            motto=spec.motto,\n"
        ),
        f"{SOURCES}/core/routing/explain.py": MOTTO,
    },
    "a metric": {
        f"{SOURCES}/telemetry/series.py": Edit(
            r"INJECTOR_ONLY",
            'ACME_GONE = Series("pilotfish_acme_total", "counter", ("rule",), "")\n',
        ),
        f"{SOURCES}/telemetry/recorder.py": Edit(
            r".*\bs\.CLIENT_GONE", lambda line: line.replace("CLIENT_GONE", "ACME_GONE")
        ),
    },
}
# Fixtures are one folder, however many files it has.
COUNTED = {
    "a provider that speaks a known style": 3,
    "a tactic": 2,
    "a rule field": 5,
    "a metric": 2,
}
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.so", "build", "dist", "charts", "deploy", "bench", "*.egg-info"
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This tree with all additions, and with the generated pages written anew."""
    folder = tmp_path_factory.mktemp("tree") / "tree"
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for name in ("charts", "deploy", "bench", ".ci"):
        (folder / name).symlink_to(ROOT / name)
    for files in ADDITIONS.values():
        for path, what in files.items():
            make(folder / path, what)
    run(folder, "docs/generate.py")
    return folder


def make(path: Path, what: str | Edit) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(what, str):
        path.write_text((path.read_text() if path.exists() else "") + what)
        return
    text = path.read_text()
    found = re.search(rf"^{what.before}.*\n", text, re.MULTILINE)
    assert found is not None, f"{path.name} has no line {what.before}"
    line = what.line if isinstance(what.line, str) else what.line(found[0])
    path.write_text(f"{text[: found.start()]}{line}{text[found.start() :]}")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder / "src"), str(folder / "tests")]
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def suite(folder: Path, *words: str) -> tuple[int, list[str]]:
    """How many tests passed, and which failed."""
    settings = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--basetemp={folder}.tests")
    done = run(folder, "-m", "pytest", *settings, *words)
    passed = re.search(r"(\d+) passed", done.stdout)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    assert passed or failed, done.stdout + done.stderr
    return int(passed[1]) if passed else 0, failed


def test_the_table_of_contributing_names_these_files_and_no_others() -> None:
    rows = dict(
        re.findall(
            r"^\| ([a-z ]+) \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
        )
    )
    for what, files in ADDITIONS.items():
        named = set(re.findall(r"`([\w/<>.-]+)`", rows[what].partition(";")[0]))
        made = {re.sub(r"acme/.*", "acme/", path).removeprefix(f"{SOURCES}/") for path in files}
        made = {re.sub(r"lot", "<name>", path) for path in made}
        assert {name.removeprefix(f"{SOURCES}/") for name in named} == made, what
        assert len(made) == COUNTED[what]


# The new ones in every shared check, and the checks that look at the whole.
TAKEN_UP = "acme or [lot or motto or is_set or everything_happens or names_each or is_named or page"


def test_the_shared_checks_take_them_up_and_nothing_else_wants_an_edit(copy: Path) -> None:
    passed, failed = suite(
        copy,
        *("tests/providers", "tests/tactics", "tests/credentials/test_store.py", "tests/docs"),
        *("tests/e2e/test_documented_vendors.py", "tests/e2e/test_documented_requests.py"),
        *("tests/layout/test_layout.py", "tests/layout/test_names.py"),
        *("tests/layout/test_rule_fields.py", "tests/layout/test_metrics_observed.py"),
        *("-k", TAKEN_UP),
    )
    assert failed == []
    assert passed >= 30


# Four fields and a metric of which each lacks a part, by what is there of them.
HALF_DONE: list[tuple[str, Edit]] = [
    *(
        (
            f"{SOURCES}/core/rules/schema/rules.py",
            Edit(r"    buffer: bool", f'    {name}: str = Field(default="", description="")\n'),
        )
        for name in ("without_example", "not_compiled", "not_read")
    ),
    *(
        ("tests/fixtures/rules/every-field.txt", Edit(r"    buffer: true", f"    {name}: x\n"))
        for name in ("not_compiled", "not_read")
    ),
    (f"{SOURCES}/core/model/snapshot.py", Edit(r"    buffer: bool", '    not_read: str = ""\n')),
    (
        f"{SOURCES}/core/rules/compile/rules.py",
        Edit(r" +description=spec\.description", "            not_read=spec.not_read,\n"),
    ),
    (
        f"{SOURCES}/telemetry/series.py",
        Edit(
            r"INJECTOR_ONLY",
            'MADE_UP = Series("pilotfish_made_up_total", "counter", ("rule",), "")\n',
        ),
    ),
]


def test_a_part_that_is_missing_is_noticed(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    shutil.copytree(copy, folder, symlinks=True)
    for path, edit in HALF_DONE:
        make(folder / path, edit)
    passed, failed = suite(
        folder,
        *("tests/layout/test_rule_fields.py", "tests/layout/test_metrics_observed.py"),
        *("-k", "motto or not_ or is_set_in or everything_happens or names_each"),
    )
    noticed = {re.sub(r".*::test_", "", test) for test in failed}
    assert {re.sub(r".*\[", "[", test) for test in noticed} == {
        "every_field_is_set_in_the_example",
        "[RuleSpec-not_compiled]",
        "[RuleSpec-not_read]",
        "code_that_records_names_each_series",
        "when_everything_happens_every_series_counts_something",
    }
    assert passed == 1, "the whole one is as good as ever"
