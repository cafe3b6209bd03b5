"""Where keys and tokens come from, and how they are renewed.

Does not live here: which credential to use (the ledger knows their health), and anything of a
vendor's API but its token endpoint. A secret leaves this folder only as a header to send.
"""

from __future__ import annotations

from pilotfish.credentials.keys import CredentialContext, CredentialError, Headers, Key, SignedCall
from pilotfish.credentials.store import Credentials, CredentialStore, problems_of

__all__ = [
    "CredentialContext",
    "CredentialError",
    "CredentialStore",
    "Credentials",
    "Headers",
    "Key",
    "SignedCall",
    "problems_of",
]
