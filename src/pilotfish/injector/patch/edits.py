"""An RFC 6902 patch written while the document is changed, so that patch and result cannot
disagree.

A diff between two Pods would have to guess what was meant; here every operation is what injection
did, in the order it did it.
"""

from __future__ import annotations

from typing import Any

Path = tuple[str | int, ...]


def pointer(path: Path) -> str:
    """The JSON Pointer (RFC 6901) of a path: `("metadata", "annotations", "a/b")` ->
    `/metadata/annotations/a~1b`.
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def copied(value: Any) -> Any:
    """A copy of a JSON value, ten times as quick as `copy.deepcopy`: a value of JSON holds itself
    nowhere.
    """
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


class Edits:
    """A copy of `document` that is edited, and the operations that lead there. The document itself
    is never touched.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = copied(document)
        self.operations: list[dict[str, Any]] = []

    def get(self, path: Path) -> Any:
        """What stands at `path`, or None where any step of the way is absent or null."""
        node: Any = self.document
        for step in path:
            if isinstance(node, dict):
                node = node.get(step)
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
            else:
                return None
        return node

    def set(self, path: Path, value: Any) -> None:
        """Puts `value` at a key of an object; objects missing on the way come into being with the
        same operation.
        """
        first_missing = next((n for n in range(1, len(path)) if self.get(path[:n]) is None), None)
        if first_missing is not None:
            for step in reversed(path[first_missing:]):
                value = {step: value}
            path = path[:first_missing]
        parent = self.get(path[:-1])
        operation = "replace" if path[-1] in parent else "add"
        if operation == "replace" and parent[path[-1]] == value:
            return
        parent[path[-1]] = copied(value)
        self._note(operation, path, value)

    def insert(self, path: Path, index: int, value: Any) -> None:
        """Puts `value` before what stands at `index` of the array at `path`; an absent, null or
        empty array comes into being with it.
        """
        array = self.get(path)
        if not array:
            self.set(path, [value])
            return
        array.insert(index, copied(value))
        if (own := self._added_whole(path)) is not None:
            own.insert(index, copied(value))
            return
        self._note("add", (*path, index if index < len(array) - 1 else "-"), value)

    def append(self, path: Path, value: Any) -> None:
        self.insert(path, len(self.get(path) or ()), value)

    def remove(self, path: Path) -> None:
        """Takes away what stands at `path`, an item of an array."""
        *parent, index = path
        del self.get(tuple(parent))[index]
        self.operations.append({"op": "remove", "path": pointer(path)})

    def _added_whole(self, path: Path) -> list[Any] | None:
        """The array in the last operation, if that operation made the array at `path`: one
        operation can carry all its items.
        """
        last = self.operations[-1] if self.operations else None
        value = last.get("value") if last and last["path"] == pointer(path) else None
        return value if isinstance(value, list) else None

    def _note(self, operation: str, path: Path, value: Any) -> None:
        self.operations.append({"op": operation, "path": pointer(path), "value": copied(value)})
