"""What may differ from the rules of test_layout.py, each with its reason. A line less is a step
forward.
"""

# Source (a pattern below src/pilotfish) -> (the tests that cover it instead of a file of its own,
# why).
COVERED_ELSEWHERE = {
    "realtime/context.py": ("tests/realtime/test_session.py", "names what a session is given"),
    "cli/proxy.py": (
        "tests/docs/test_operations.py",
        "flags are made from the settings; the proxy itself is app.py",
    ),
    "core/rules/schema/budgets.py": (
        "tests/core/state/test_spending.py",
        "what they mean is what is spent of them",
    ),
    "core/model/budget.py": ("tests/core/state/test_spending.py", "a record of numbers"),
    "core/state/meter.py": ("tests/core/state/test_limits.py", "a limit's, or a budget's"),
    "core/rules/schema/prices.py": (
        "tests/core/rules/compile/test_prices.py",
        "what they mean is what is compiled of them",
    ),
    "cli/version.py": ("tests/cli/test_main.py", "one line, tested with the other commands"),
}

# Files over 400 lines -> (how long they may be, why). None so far.
LONG_FILES: dict[str, tuple[int, str]] = {}

# Functions over 60 lines: `file:name` -> why. None so far.
LONG_FUNCTIONS: dict[str, str] = {}

# Test files that wait by the clock -> why.
MAY_SLEEP = {
    "tests/harness.py": "`until` looks again while another task works; it fails by a deadline, never passes by one",
    "tests/cluster/": "real processes, which tell nobody when they are ready",
    "tests/image/": "the same",
    "tests/browser/": "the same: a browser",
    "tests/observability/prometheus.py": "the same: Prometheus, which scrapes by its own clock",
    "tests/redis_server.py": "the same: redis-server",
    "tests/shared/test_redis_limits.py": "the same: redis-server, and waiting fails by a deadline",
}

# Test files that may skip -> why.
MAY_SKIP = {
    "tests/cluster/": "no API server at hand; .ci/run sets PILOTFISH_CLUSTER_TESTS=required, and then a missing one fails",
    "tests/chart/": "no helm at hand; the same",
    "tests/image/": "becoming another user takes root, which CI is",
    "tests/redis_server.py": "no redis-server at hand; .ci/redis installs it",
}

# Files that may name a folder of the image -> why.
IN_THE_IMAGE = {
    "Dockerfile": "where the image keeps its virtual environment",
    "tests/image/": "the same",
}

# Files that hold a word of a machine's path which is a vendor's path as well -> why.
IN_A_VENDORS_PATH = {
    "docs/vendor_paths.txt": "Anthropic's environments have paths with such a segment",
    "docs/paths.md": "made from it",
}

# Modules that still import for the type checker alone: a circle that only it sees is a circle in the
# reader's head. The list shrinks; nothing is added to it.
FOR_THE_TYPE_CHECKER = {
    "core/exchange/calls.py",
}  # fmt: skip

# Library -> the rooms that may use it. What one room uses can be exchanged in one room.
LIBRARIES = {
    "aiohttp": {
        "admin",
        "credentials",
        "demo",
        "injector",
        "kube",
        "passthrough",
        "proxy",
        "realtime",
    },
    "azure": {"credentials"},
    "botocore": {"credentials"},
    "cryptography": {"cli", "injector"},
    "google": {"credentials"},
    "httptools": {"http1"},
    "kubernetes": {"kube"},
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "pydantic": {"core", "injector", "settings.py", "tactics"},
    "pydantic_core": {"core"},
    "pydantic_settings": {"injector", "settings.py"},
    "python_socks": {"http1"},
    "re2": {"core"},
    "redis": {"shared"},
    "uvloop": {"process.py"},
    "yaml": {"cli", "core", "injector"},
    "yarl": {"credentials", "passthrough", "realtime"},
}
ANYWHERE = {"msgspec", "orjson", "structlog"}
