"""No file imports itself by way of others: neither when it is read, nor for its types, nor within
a function."""

import ast

from layout.source_index import SOURCE


def module_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports():
    """Module -> the modules of this project that it imports, wherever in the file."""
    paths = {module_of(path): path for path in SOURCE.rglob("*.py")}
    found = {}
    for module, path in paths.items():
        named = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                named |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            elif isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
        # A package's face only hands names on.
        faces = {n for n in named if n in paths and paths[n].name == "__init__.py"}
        found[module] = (named & paths.keys()) - faces - {module}
    return found


def circle_in(found):
    """One circle, as the modules it leads through; empty if there is none."""
    done, way = set(), []

    def follow(module):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        way.append(module)
        for there in sorted(found.get(module, ())):
            if circle := follow(there):
                return circle
        done.add(way.pop())
        return []

    for module in sorted(found):
        if circle := follow(module):
            return circle
    return []


def test_a_circle_is_found():
    assert circle_in({"a": {"b"}, "b": {"c", "d"}, "c": {"d"}}) == []
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_no_file_imports_itself_by_way_of_others():
    found = imports()
    assert len(found) > 300
    assert circle_in(found) == []
