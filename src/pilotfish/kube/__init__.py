"""The few Kubernetes API calls we need: list, watch, read and write single objects.

The official client makes every request, by paths written out (`client.py`); its 250 model modules
are never imported, which saves a sidecar some 25 MiB. What lives above it here: resuming a watch,
bookmarks, stall detection, pace and jitter (`watching.py`), Events and the leader's Lease.
Import this package only where there is a cluster to talk to.
"""

import sys
from typing import Any, cast

# The client's synchronous half, which we never call and which is imported with it, takes this in
# where it is installed: 10 MiB for a kind of kubeconfig that the asynchronous half reads without.
_UNUSED = "google.auth"


def _import_client() -> None:
    modules = cast(dict[str, Any], sys.modules)
    leave_out = _UNUSED not in modules
    if leave_out:
        modules[_UNUSED] = None  # an import of it fails for now, as where it is not installed
    try:
        import kubernetes.aio.client  # noqa: F401
    finally:
        if leave_out:
            del modules[_UNUSED]


_import_client()
