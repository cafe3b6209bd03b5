"""WebSocket sessions: which service takes one, and its messages both ways. Not here: requests that
are answered once (`proxy`, `passthrough`).
"""
