"""Compiles what every request goes through, by mypyc, if PILOTFISH_COMPILE is 1: as the image does.
Everything else is in pyproject.toml.

The same sources run as they are where nothing is compiled. Compiled, a request takes less than half
of the CPU (bench/README.md).
"""

from __future__ import annotations

import os

from setuptools import Extension, setup

# Not for modules with msgspec's structs, which read annotations that mypyc leaves out, nor for
# classes that others inherit from.
COMPILED = {
    "core/exchange": (
        "answer calls endpoints hold inbound inflate lateness refusal request_url response_id"
        " pass_through response_stream shown_model stream_resume usage"
    ),
    "core/formats": "bodies eventstream json_array sse",
    "core/routing": (
        "attempt_state commands dispatch match patience plan race retrying router rule_state steps"
    ),
    "core/state": (
        "affinity classify evidence headroom health ledger limits meter race_history retry_budget"
        " statistics"
    ),
    "http1": "exchange pending pool request_head request_reader server upstream",
    "proxy": (
        "answer_reader attempt client client_answer engine in_flight request request_ids"
        " translation upstream_call"
    ),
    "telemetry": "access_log children log_line record recorder registry reporter",
}


def extensions() -> list[Extension]:
    if os.environ.get("PILOTFISH_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    modules = [
        f"src/pilotfish/{room}/{name}.py"
        for room, names in COMPILED.items()
        for name in names.split()
    ]
    # Types are checked in CI, with all dependencies at hand; here only those of these modules
    # matter.
    return mypycify(
        ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent", *modules],
        opt_level="3",
    )


setup(ext_modules=extensions())
