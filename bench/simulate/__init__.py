"""Every tactic over the same traffic, in virtual time: minutes of traffic in a second, without
sockets.

The proxy's own plan, dispatch, ledger and tactics decide; clients and vendors are simulated.
`python -m bench.simulate` prints the table of docs/tactics.md.
"""
