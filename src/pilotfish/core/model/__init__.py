"""Frozen records of the rules in force, and the enumerations that the rest of the core shares:
providers, services, rules, smart-routing conditions, tactics, outcomes.

What must not live here: state that changes while requests run (`core.state`), and the code that
makes these records from text (`core.rules`).
"""
