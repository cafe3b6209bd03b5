"""An error as a vendor words it, whatever its style."""

from __future__ import annotations

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An error as a vendor words it: `type` and `code` verbatim, `wait_s` from hints in the body
    (RetryInfo, "try again in 20s"). `failed_generation` (Groq): what the model wrote that is no
    valid tool call or JSON, by which agents mend their requests.
    """

    message: str
    type: str = ""
    code: str = ""
    status: int | None = None
    wait_s: float | None = None
    failed_generation: str = ""
