"""Documents -> `Snapshot`, or every problem in them at once. Pure: kinds and tactics are handed in,
no secret is looked up.

validate (one document's shape) -> merge (names once, over all documents) -> providers, services,
tactics, rules -> snapshot (what `match` needs). What is wrong goes to `findings`, and the next step
goes on with the rest.
"""

from pilotfish.core.rules.compile.snapshot import compile_documents

__all__ = ["compile_documents"]
