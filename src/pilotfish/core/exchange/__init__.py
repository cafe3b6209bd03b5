"""One HTTP exchange: the client's request as read, the upstream call made from it, and the response
on its way back.

What must not live here: the choice of a service (`core.routing`), and what is remembered of it
afterwards (`core.state`).
"""
