"""What the sources say, by their syntax alone: the classes there are, which names hold which of
them, and which attributes are read where. Nothing is imported and no file is read twice.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pilotfish"
WORD = re.compile(r"[A-Za-z_]\w*")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def sources(below: str = "", *, without: Iterable[str] = ()) -> list[Path]:
    """All modules below a folder of src/pilotfish, without those below others."""
    left_out = [SOURCE / folder for folder in without]
    return [
        path
        for path in sorted((SOURCE / below).rglob("*.py"))
        if not any(path.is_relative_to(folder) for folder in left_out)
    ]


@cache
def classes_named() -> dict[str, set[str]]:
    """Class -> the names (of arguments, attributes, variables) that some annotation gives to it or
    to a container of it: {"Rule": {"rule", "rules", "_rule", ...}}.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources():
        for node in nodes(path):
            name = annotation = None
            if isinstance(node, ast.arg):
                name, annotation = node.arg, node.annotation
            elif isinstance(node, ast.AnnAssign):
                name, annotation = last_name(node.target), node.annotation
            elif isinstance(node, ast.FunctionDef):  # properties are read as attributes
                name, annotation = node.name, node.returns
            if name and annotation is not None:
                for word in WORD.findall(ast.unparse(annotation)):
                    found[word].add(name)
    return found


def last_name(node: ast.AST) -> str:
    """`rule` of `rule`, `self.rule`, `run.rule[0]` and `rule()`; empty for what has no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Call):
        return last_name(node.func)
    return ""


@cache
def aliases() -> dict[str, set[str]]:
    """Local name -> what it is taken out of: `known = snapshot.scenarios.get(name)` makes `known`
    one of `scenarios`, `for rule in found` makes `rule` one of `found`.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources():
        for node in nodes(path):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target, value = node.targets[0], node.value
            elif isinstance(node, ast.NamedExpr):
                target, value = node.target, node.value
            elif isinstance(node, ast.For | ast.comprehension):
                target, value = node.target, node.iter
            else:
                continue
            if isinstance(target, ast.Name):
                found[target.id].add(taken_out_of(value))
    return found


def taken_out_of(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return taken_out_of(node.value)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "pop", "values")
    ):
        return taken_out_of(node.func.value)
    return last_name(node)


@cache
def attributes_read(*without: str) -> dict[str, set[str]]:
    """Attribute -> the last names of what it is read from, all over the sources but for these
    folders: {"ttl_s": {"affinity"}}.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sources(without=without):
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found[node.attr].add(last_name(node.value))
    return found


def singular(name: str) -> str:
    """What one of `rules`, `_services` or `all_services` is called where it is looped over."""
    return name.lstrip("_").removesuffix("s")


def is_read(owner: str, attribute: str, *, without: tuple[str, ...]) -> bool:
    """Whether this field of this class is read from something that is the class's: by some
    annotation, by what it was taken out of, or by the class's own name in lower case.
    """
    holders = classes_named().get(owner, set())
    names = holders | {singular(name) for name in holders} | {owner.lower()}
    names |= {f"_{name}" for name in names}  # `self._rule = rule`
    names |= {alias for alias, origins in aliases().items() if origins & holders}
    return bool(names & attributes_read(*without).get(attribute, set()))


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every text constant that is not a docstring, with its line."""
    documentation = {
        id(node.body[0].value)
        for node in nodes(path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes(path):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documentation
        ):
            yield node.lineno, node.value
