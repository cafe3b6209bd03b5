"""What is known of services and credentials: health, rate limits, headroom, statistics. `ledger`
holds all of it.

What must not live here: a choice among services (`core.routing`, `tactics`).
"""
