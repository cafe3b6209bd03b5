"""A small API server on loopback that does as the test says: objects in collections, watches it can
feed, break, stall and expire.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jsonpatch
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration

from pilotfish.kube.client import Kube

END, BREAK = object(), object()


class FakeApi:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {}
        self.version = 100
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.tokens: list[str] = []
        self.refusals: list[int] = []  # the next answers, one each
        self.refuse_all = 0  # every answer, until it is 0 again
        self.reply: dict[str, Any] = {}  # by path, what a POST is answered with, or what makes it
        self.raw: dict[str, bytes] = {}  # by path, what a GET is answered with instead of JSON
        self.bodies: list[Any] = []
        self.oldest = 0  # watches from before are answered 410
        self.page_size = 500
        self.watching = asyncio.Event()  # set while a watch is open
        self.connections: Callable[[], Any] = tuple
        self._watches: list[tuple[str, dict[str, str], asyncio.Queue[Any]]] = []
        self._answered = asyncio.Condition()

    def kube(self) -> Kube:
        async def load() -> Configuration:
            return Configuration(self.base, {"BearerToken": "Bearer token-of-the-test"})

        return Kube(load)

    def write_kubeconfig(self, folder: Path) -> str:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": self.base}}],
            "users": [{"name": "u", "user": {"token": "token-of-the-test"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return str(path)

    def put(self, path: str, name: str, **content: Any) -> dict[str, Any]:
        """Creates or changes an object, and tells the watches."""
        self.version += 1
        known = self.objects.setdefault(path, {})
        kind = "MODIFIED" if name in known else "ADDED"
        namespace = path.split("/namespaces/")[1].split("/")[0] if "/namespaces/" in path else ""
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": str(self.version),
            **content.pop("metadata", {}),
        }
        known[name] = {"metadata": metadata, **content}
        self._tell(path, kind, known[name])
        return known[name]

    def delete(self, path: str, name: str) -> None:
        self.version += 1
        gone = self.objects[path].pop(name)
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(path, "DELETED", gone)

    def bookmark(self) -> None:
        for _, _, queue in self._watches:
            queue.put_nowait(
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.version)}}}
            )

    def send(self, line: Any) -> None:
        """A raw line (or END, or BREAK) into every open watch."""
        for _, _, queue in self._watches:
            queue.put_nowait(line)

    def _tell(self, path: str, kind: str, item: dict[str, Any]) -> None:
        for watched, query, queue in self._watches:
            if watched == path and self._selected(query, item):
                queue.put_nowait({"type": kind, "object": item})

    @staticmethod
    def _selected(query: dict[str, str], item: dict[str, Any]) -> bool:
        field, label = query.get("fieldSelector", ""), query.get("labelSelector", "")
        if field and field.removeprefix("metadata.name=") != item["metadata"]["name"]:
            return False
        labels = item["metadata"].get("labels") or {}
        for key, negated, value in re.findall(r"([\w./-]+)(!?)=([^,]*)", label):
            if (labels.get(key) == value) is bool(negated):
                return False
        for key, operator, values in re.findall(r"([\w./-]+) (in|notin) \(([^)]*)\)", label):
            if (labels.get(key) in values.split(",")) is (operator == "notin"):
                return False
        return True

    def close_connections(self) -> None:
        """As a server that is restarted."""
        for connection in self.connections():
            connection.transport.abort()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Looks after each answer."""
        async with self._answered:
            await self._answered.wait_for(is_so)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        finally:
            async with self._answered:
                self._answered.notify_all()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.requests.append((request.method, request.path, query))
        self.tokens.append(request.headers.get("Authorization", ""))
        if status := self.refuse_all or (self.refusals and self.refusals.pop(0)):
            return web.json_response(
                {"kind": "Status", "message": f"refused with {status}"}, status=status
            )
        if query.get("watch"):
            return await self._watch(request, query)
        return getattr(self, f"_{request.method.lower()}")(request, query, await request.text())

    def _get(self, request: web.Request, query: dict[str, str], _: str) -> web.Response:
        if request.path in self.raw:
            return web.Response(body=self.raw[request.path], content_type="text/html")
        collection, _, name = request.path.rpartition("/")
        if name in self.objects.get(collection, {}):
            return web.json_response(self.objects[collection][name])
        if request.path not in self.objects:
            return web.json_response({"message": f"{request.path} not found"}, status=404)
        items = [o for o in self.objects[request.path].values() if self._selected(query, o)]
        start = int(query.get("continue") or 0)
        metadata = {"resourceVersion": str(self.version)}
        if start + self.page_size < len(items):
            metadata["continue"] = str(start + self.page_size)
        return web.json_response(
            {"metadata": metadata, "items": items[start : start + self.page_size]}
        )

    def _post(self, request: web.Request, _: dict[str, str], text: str) -> web.Response:
        body = json.loads(text)
        self.bodies.append(body)
        if request.path in self.reply:
            reply = self.reply[request.path]
            return web.json_response(reply(body) if callable(reply) else reply, status=201)
        name = body.get("metadata", {}).get("name", "")
        if name in self.objects.get(request.path, {}):
            return web.json_response({"message": f"{name} exists"}, status=409)
        return web.json_response(self.put(request.path, name, **body), status=201)

    def _put(self, request: web.Request, _: dict[str, str], text: str) -> web.Response:
        collection, _, name = request.path.rpartition("/")
        body = json.loads(text)
        if (
            body["metadata"].get("resourceVersion")
            != self.objects[collection][name]["metadata"]["resourceVersion"]
        ):
            return web.json_response({"message": "the object has been modified"}, status=409)
        body["metadata"].pop("resourceVersion")
        return web.json_response(self.put(collection, name, **body))

    def _patch(self, request: web.Request, _: dict[str, str], text: str) -> web.Response:
        collection, _, name = request.path.rpartition("/")
        changed = jsonpatch.apply_patch(self.objects[collection][name], json.loads(text))
        changed["metadata"].pop("resourceVersion")
        return web.json_response(self.put(collection, name, **changed))

    async def _watch(self, request: web.Request, query: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        if int(query["resourceVersion"]) < self.oldest:
            await response.write(
                json.dumps(
                    {
                        "type": "ERROR",
                        "object": {"code": 410, "message": "too old resource version"},
                    }
                ).encode()
                + b"\n"
            )
            return response
        queue: asyncio.Queue[Any] = asyncio.Queue()
        entry = (request.path, query, queue)
        for item in self.objects.get(request.path, {}).values():
            if int(item["metadata"]["resourceVersion"]) > int(
                query["resourceVersion"]
            ) and self._selected(query, item):
                queue.put_nowait({"type": "MODIFIED", "object": item})
        self._watches.append(entry)
        self.watching.set()
        try:
            while (line := await queue.get()) is not END:
                if line is BREAK:
                    request.transport.abort()
                    break
                await response.write(
                    (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
                )
        finally:
            self._watches.remove(entry)
            if not self._watches:
                self.watching.clear()
        return response


@asynccontextmanager
async def fake_api(context=None):
    """`context`: with TLS."""
    api = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    api.connections = lambda: runner.server.connections
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    api.base = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.send(END)
        await runner.cleanup()
