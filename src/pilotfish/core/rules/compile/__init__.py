"""Compiles documents to a `Snapshot`, or reports all problems in them at once. Kinds and tactics
are parameters, and no secret is looked up.

Steps: `validate` (the shape of one document), `merge` (all documents together), `providers`,
`services`, `tactics` and `rules` (records), `snapshot` (indexes). Each step adds its problems to
`Findings` and goes on with what is left. `warnings` looks through rules that compile.
"""

from pilotfish.core.rules.compile.snapshot import checked_documents, compile_documents

__all__ = ["checked_documents", "compile_documents"]
