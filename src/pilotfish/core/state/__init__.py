"""What we know of services and credentials: health, limits, headroom, statistics. `ledger` holds it
all.

What must not live here: a choice among services (`core.routing`, `tactics`)."""
