"""The rules of the house, as tests: what lies where, how long it may be, and what must not stand in
it.
"""

import ast
import sys
from collections import Counter, defaultdict
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from layout.exceptions import (
    ANYWHERE,
    COVERED_ELSEWHERE,
    FOR_THE_TYPE_CHECKER,
    IN_A_VENDORS_PATH,
    IN_THE_IMAGE,
    LIBRARIES,
    LONG_FILES,
    LONG_FUNCTIONS,
    MAY_SKIP,
    MAY_SLEEP,
)

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pilotfish"
TESTS = ROOT / "tests"
MODULES = sorted(p.relative_to(SOURCE) for p in SOURCE.rglob("*.py") if not p.name.startswith("__"))
MAX_LINES, MAX_FUNCTION = 400, 60
LEFT_ALONE = {
    ".git",
    ".venv",
    ".venv-lock",
    "node_modules",
    "build",
    "dist",
    "__pycache__",
    "requirements",
    "results",
}
TEXT = {
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".json",
    ".toml",
    ".sh",
    ".txt",
    ".tpl",
    ".html",
    ".css",
    ".js",
    ".c",
    ".in",
    "",
}
# In pieces, or this file would be an offender. What builds and installs must work with any
# registry, on any machine.
MACHINE = ["/".join(("", name, "")) for name in ("wo" + "rk", "ro" + "ot", "op" + "t", "ho" + "me")]
REGISTRIES = [
    "py" + "pi.org",
    "pythonho" + "sted",
    "npm" + "js.",
    "deb.deb" + "ian",
    "crates" + ".io",
]


@cache
def tree(path):
    return ast.parse(path.read_text())


def exempt(path, allowed):
    name = str(path.relative_to(ROOT))
    return any(
        name == entry or (entry.endswith("/") and name.startswith(entry)) for entry in allowed
    )


def test_every_module_has_its_tests():
    """src/pilotfish/a/b.py has tests/a/test_b.py (or test_b_*.py), or is listed with the tests that
    cover it instead, or only declares what others do.
    """
    untested = [m for m in MODULES if not own_tests(m) and not listed(m)]
    assert [str(m) for m in untested if not only_declares(SOURCE / m)] == []


def only_declares(path):
    """Whether a module holds protocols and nothing that runs."""
    body = tree(path).body[1:]
    return all(
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.ClassDef) and [ast.unparse(b) for b in node.bases] == ["Protocol"])
        for node in body
    )


def own_tests(module):
    folder = TESTS / module.parent
    return [*folder.glob(f"test_{module.stem}.py"), *folder.glob(f"test_{module.stem}_*.py")]


def listed(module):
    return [
        p
        for p in COVERED_ELSEWHERE
        if fnmatch(str(module), p) and p.count("/") == str(module).count("/")
    ]


def test_what_is_listed_is_there():
    for pattern, (tests, why) in COVERED_ELSEWHERE.items():
        assert any(fnmatch(str(m), pattern) for m in MODULES), (
            f"COVERED_ELSEWHERE: no module {pattern}"
        )
        assert (ROOT / tests).is_file(), f"COVERED_ELSEWHERE: {pattern}: no file {tests}"
        assert why
    for name in LONG_FILES:
        assert (SOURCE / name).is_file(), f"LONG_FILES: no file {name}"


def test_files_can_be_read_at_a_sitting():
    lines = {str(m): len((SOURCE / m).read_text().splitlines()) for m in MODULES}
    assert {m: n for m, n in lines.items() if n > LONG_FILES.get(m, (MAX_LINES, ""))[0]} == {}


def test_functions_fit_on_a_screen():
    too_long = {}
    for module in MODULES:
        for node in ast.walk(tree(SOURCE / module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION and f"{module}:{node.name}" not in LONG_FUNCTIONS:
                    too_long[f"{module}:{node.name}"] = lines
    assert too_long == {}


def test_one_public_class_name_means_one_thing():
    """Over all rooms: two classes of one name are told apart by where they are imported from, which
    a reader does not see.
    """
    names = Counter(
        node.name
        for module in MODULES
        for node in ast.walk(tree(SOURCE / module))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_nothing_is_imported_for_the_type_checker_alone():
    found = {
        str(module)
        for module in MODULES
        for node in ast.walk(tree(SOURCE / module))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    }
    assert found - FOR_THE_TYPE_CHECKER == set()
    assert FOR_THE_TYPE_CHECKER - found == set(), "one line less in the list"


def test_a_library_is_used_in_its_own_rooms():
    found = defaultdict(set)
    for module in MODULES:
        for node in ast.walk(tree(SOURCE / module)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names}:
                if name not in sys.stdlib_module_names | {"pilotfish"} | ANYWHERE:
                    found[name].add(module.parts[0])
    assert {name: found[name] for name in sorted(found)} == LIBRARIES


def test_names_of_attributes_stand_one_by_one():
    """`__slots__` as the formatter has it: in order, and in lines that can be read."""
    walls = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree(SOURCE / module))
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "__slots__"
        and isinstance(node.value, ast.Tuple)
        and len(node.value.elts) > 8
        and (node.end_lineno or 0) - node.lineno < len(node.value.elts)
    ]
    assert walls == []


def test_every_package_begins_with_its_charter_and_every_module_with_what_it_is():
    packages = {SOURCE / m.parent / "__init__.py" for m in MODULES} - {SOURCE / "__init__.py"}
    assert sorted(str(p) for p in packages if not p.is_file()) == []
    silent = [
        p for p in (*packages, *(SOURCE / m for m in MODULES)) if not ast.get_docstring(tree(p))
    ]
    assert sorted(str(p.relative_to(SOURCE)) for p in silent) == []


def test_what_is_compiled_is_there():
    """`setup.py` names the modules of the hot path by room."""
    text = (ROOT / "setup.py").read_text()
    [table] = [
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED"
    ]
    named = [Path(room, f"{name}.py") for room, names in table.items() for name in names.split()]
    assert [str(module) for module in named if module not in MODULES] == []
    assert len(set(named)) == len(named) > 30


def variants(package):
    folder = SOURCE / package
    return sorted(
        p.stem
        for p in folder.iterdir()
        if (p.suffix == ".py" or (p / "__init__.py").is_file()) and not p.name.startswith("_")
    )


@pytest.mark.parametrize("name", variants("providers"))
def test_a_provider_exports_its_record(name):
    assert import_module(f"pilotfish.providers.{name}").KIND.name == name


@pytest.mark.parametrize("name", variants("tactics"))
def test_a_tactic_exports_its_class(name):
    assert import_module(f"pilotfish.tactics.{name}").TACTIC.name == name


@pytest.mark.parametrize("name", variants("styles"))
def test_a_style_exports_itself(name):
    assert import_module(f"pilotfish.styles.{name}").STYLE.name == name


def test_there_is_no_drawer_for_odds_and_ends():
    assert [
        str(m)
        for m in MODULES
        if {"utils", "helpers", "common", "manager", "misc"} & {*m.parts, m.stem}
    ] == []


def test_tests_neither_sleep_nor_skip():
    """A sleep passes on a quick machine and fails on a slow one; a skipped test is one that nobody
    runs.
    """
    offenders = []
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(tree(path)):
            name = call_name(node)
            at = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {name}"
            if name in ("asyncio.sleep", "time.sleep", "sleep") and not exempt(path, MAY_SLEEP):
                turns = (
                    node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
                )
                offenders += [] if turns else [at]
            if name in (
                "pytest.skip",
                "pytest.xfail",
                "pytest.importorskip",
                "pytest.mark.skip",
                "pytest.mark.skipif",
                "pytest.mark.xfail",
            ):
                offenders += [] if exempt(path, MAY_SKIP) else [at]
    assert offenders == []


def call_name(node):
    """`a.b.c` of a call a.b.c(...); empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    parts, at = [], node.func
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    return ".".join([at.id, *reversed(parts)]) if isinstance(at, ast.Name) else ""


def test_nothing_names_a_machine_or_a_registry():
    offenders = []
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT).parts
        hidden = inside[0].startswith(".") and inside[0] not in (
            ".ci",
            ".importlinter",
            ".gitignore",
        )
        if (
            hidden
            or LEFT_ALONE & set(inside)
            or not path.is_file()
            or path.suffix not in TEXT
            or ".egg-info" in str(path)
        ):
            continue
        text = path.read_text(errors="replace")
        allowed = MACHINE if exempt(path, IN_THE_IMAGE | IN_A_VENDORS_PATH) else []
        offenders += [
            f"{'/'.join(inside)}: {word}"
            for word in (*MACHINE, *REGISTRIES)
            if word in text and word not in allowed
        ]
    assert offenders == []


def test_lock_files_hold_hashes_and_nothing_of_this_machine():
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert {"compile.lock", "dev.lock", "grafana.lock", "minimal.lock", "runtime.lock"} <= {
        p.name for p in locks
    }
    for path in locks:
        text = path.read_text()
        for word in ("file:", "http:", "https:", "--index", "--find-links", *MACHINE, *REGISTRIES):
            assert word not in text, f"{path.name}: {word}"
        pinned = [line for line in text.splitlines() if line and line[0].isalnum()]
        assert pinned
        assert all("==" in line and line.endswith("\\") for line in pinned), path.name


def test_locks_agree_with_each_other():
    """What is tested is what is shipped."""
    versions = {}
    for path in sorted((ROOT / "requirements").glob("*.lock")):
        for line in path.read_text().splitlines():
            if line and line[0].isalnum():
                name, version = line.split(";")[0].rstrip(" \\").split("==")
                assert versions.setdefault(name, version) == version, f"{path.name}: {name}"
