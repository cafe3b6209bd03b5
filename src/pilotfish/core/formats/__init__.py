"""What travels: the neutral form of a conversation, its deltas, and the framings that carry them
(SSE, event streams, JSON arrays).

What must not live here: anything about services, rules or a request under way."""
