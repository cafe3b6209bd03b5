"""Ids of what vendors keep: found in answers that give them out, and in requests that name them.

Bytes are searched, not parsed: bodies may be large, and an id in a text that somebody wrote is
harmless, since only ids that are known decide anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qsl, unquote

from pilotfish.core.exchange.inbound import Inbound

# How much of a request's JSON body is searched, and how many ids of one answer are noted.
SEARCHED_BYTES = 64 * 1024
NOTED_IDS = 256
_TAIL = 640  # of a piece of an answer, searched again with the next: an id may lie across both

_ID = rb"[A-Za-z0-9][\w.:/=+-]{5,511}"
# `id`, `output_file_id`, and Google's `name`, which is a path.
_GIVEN = re.compile(
    rb'"(?:(?:[a-z_]+_)?id|name)"\s*:\s*"(' + _ID + rb')"',
)
_GOOGLE_NAME = re.compile(
    rb"(?:files|cachedContents|batches|tunedModels|operations|corpora|fileSearchStores|models"
    rb"|interactions|environments|agents|projects)/\S+"
)
_QUOTED = re.compile(rb'"(' + _ID + rb')"')


class GivenIds:
    """Feed it an answer's JSON, however it is cut; `ids` are those that it gives out."""

    def __init__(self) -> None:
        self.ids: dict[str, None] = {}
        self._tail = b""

    def feed(self, data: bytes) -> None:
        if len(self.ids) >= NOTED_IDS:
            return
        data = self._tail + data
        for found in _GIVEN.finditer(data):
            one = found[1]
            if found[0].startswith(b'"name"') and not _GOOGLE_NAME.fullmatch(one):
                continue  # a name that people gave
            self.ids[one.decode()] = None
            if len(self.ids) >= NOTED_IDS:
                break
        self._tail = data[-_TAIL:]


def ids_in_path(rest: str, query: str) -> Iterator[str]:
    """What may be an id in a path below its root: each segment, and Google's names, which have two
    or more. Of the query the id of an upload.
    """
    segments = [unquote(part) for part in rest.split("/") if part]
    if len(segments) > 1:
        segments[-1] = segments[-1].partition(":")[0] or segments[-1]
        for end in range(len(segments), 1, -1):
            yield "/".join(segments[:end])
    yield from segments[1:]
    for name, value in parse_qsl(query):
        if name in ("upload_id", "after", "batch_id", "file_id"):
            yield value


def ids_in_body(body: bytes) -> Iterator[str]:
    """What may be an id in the beginning of a JSON body: every text that looks like one."""
    for found in _QUOTED.finditer(body, 0, SEARCHED_BYTES):
        yield found[1].decode()


# What names state in requests that are routed by model: top-level fields, by operation.
_NAMING = {
    "responses": ("previous_response_id", "conversation"),
    "messages": ("container",),
    "generate": ("cachedContent",),
}
# Fields anywhere in a body whose value is an id. Case counts: without it a search of a large body
# would take ten times as long.
_NAMED = re.compile(
    rb'"(?:file_id|container_id|container|fileUri|file_uri)"\s*:\s*"([^"]{6,512})"'
    rb'|"vector_store_ids"\s*:\s*\[\s*"([^"]{6,512})"'
)
_MARKS = (b'"file_id"', b'"vector_store_ids"', b'"container', b'"fileUri"', b'"file_uri"')
_MOST_NAMED = 64  # ids of one body that are looked at


def ids_named(inbound: Inbound) -> list[str]:
    """The ids of kept state that a request names which is routed by model: the answer that it goes
    on from, files, caches. Asked only while any state is known, since the body is searched.
    """
    found: list[str] = []
    members = inbound.members
    if members is None:
        return found
    for name in _NAMING.get(inbound.op, ()):
        raw = members.get(name)
        if raw is not None:
            given = _ID_IN.search(bytes(raw))
            if given is not None:
                found.append(given[1].decode())
    body = inbound.body
    for mark in _MARKS:
        if mark in body:
            for named in islice(_NAMED.finditer(body), _MOST_NAMED):
                one = (named[1] or named[2]).decode("utf-8", "replace")
                # Google names a file by its URL, and in paths by the end of it.
                found.append("/".join(one.split("/")[-2:]) if "://" in one else one)
            break
    return found


_ID_IN = re.compile(rb'"(' + _ID + rb')"\s*\}?$')
