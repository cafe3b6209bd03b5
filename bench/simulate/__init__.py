"""Every tactic over the same traffic, in virtual time: no sockets, no sleeping, minutes of traffic
in a second.

The rules' own machinery decides (plan, dispatch, ledger, health, headroom, tactics); only the
vendors are made up. `python -m bench.simulate` prints the table of docs/tactics.md.
"""
