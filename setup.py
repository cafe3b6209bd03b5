"""Compiles what every request goes through, by mypyc, if PILOTFISH_COMPILE is 1: as the image does.
Everything else is in pyproject.toml.

The same sources run as they are where nothing is compiled. Compiled, a request takes less than half
of the CPU (docs/performance.md).
"""

from __future__ import annotations

import os

from setuptools import Extension, setup

# Not for modules with msgspec's structs, which read annotations that mypyc leaves out, nor for
# classes that others inherit from.
COMPILED = """
    core/state/affinity core/formats/bodies core/exchange/calls core/exchange/response_stream core/state/classify core/routing/commands core/routing/dispatch core/formats/eventstream core/state/headroom core/state/health
    core/exchange/inbound core/formats/json_array core/state/ledger core/state/limits core/routing/match core/routing/plan core/state/race_history core/exchange/request_url core/exchange/stream_resume core/state/retry_budget core/formats/sse
    core/state/statistics core/exchange/endpoints core/exchange/usage
    telemetry/access_log telemetry/recorder proxy/attempt telemetry/children proxy/engine proxy/client telemetry/registry proxy/request_ids proxy/request
    http1/exchange http1/pool http1/request_head http1/request_reader http1/server http1/upstream
"""


def extensions() -> list[Extension]:
    if os.environ.get("PILOTFISH_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [f"src/pilotfish/{name}.py" for name in COMPILED.split()]
    # Types are checked in CI, with all dependencies at hand; here only those of these modules
    # matter.
    return mypycify(
        ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *modules],
        opt_level="3",
    )


setup(ext_modules=extensions())
