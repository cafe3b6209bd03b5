"""Compiles what every request goes through, by mypyc, if PILOTFISH_COMPILE is 1: as the image does. Everything else is in pyproject.toml.

The same sources run as they are where nothing is compiled. Compiled, a request takes less than half of the CPU (docs/performance.md).
"""

from __future__ import annotations

import os

from setuptools import Extension, setup

# Not for modules with msgspec's structs, which read annotations that mypyc leaves out, nor for classes that others inherit from.
COMPILED = """
    core/affinity core/body core/calls core/channel core/classify core/commands core/dispatch core/eventstream core/headroom core/health
    core/inbound core/json_array core/ledger core/limits core/match core/plan core/races core/request_url core/rescue core/shares core/sse
    core/statistics core/surfaces core/usage
    shell/access_log shell/accounting shell/attempt shell/counting shell/engine shell/link shell/meters shell/request_ids shell/run
    wire/exchange wire/pool wire/reading wire/server wire/upstream
"""


def extensions() -> list[Extension]:
    if os.environ.get("PILOTFISH_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [f"src/pilotfish/{name}.py" for name in COMPILED.split()]
    # Types are checked in CI, with all dependencies at hand; here only those of these modules matter.
    return mypycify(["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *modules], opt_level="3")


setup(ext_modules=extensions())
