"""HTTP/1.1 for the hot path: asyncio protocols around llhttp. Knows nothing of LLMs.

llhttp parses and frames all that comes in; here are limits, deadlines, back-pressure and the order
of requests. Requests that are not on the hot path are handed over to another protocol.
"""
