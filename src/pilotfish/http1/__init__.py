"""HTTP/1.1 for the hot path: asyncio protocols around llhttp. Knows nothing of LLMs.

All parsing and framing of what comes in is llhttp's; what is here are limits, deadlines,
back-pressure and the order of things.
"""
