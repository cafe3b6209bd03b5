"""The shape of a rules file as pydantic models. The paths in problems, the JSON Schema and the
reference in docs/rules.md are made from them.

A field that is absent is None; its default is that of the records in `core.model.snapshot`, so that
each default is written once. Rules that need more than one field are checked by
`core.rules.compile`. Docstrings and descriptions of the models are part of the JSON Schema.
"""
