"""Frozen records of what the rules say, and the words for what happens: services, rules,
conditions, outcomes, commands.

What must not live here: state that changes while requests run (`core.state`), and how the records
are made (`core.rules`)."""
