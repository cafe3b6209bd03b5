"""Injection: a Pod in, a patch or a reason out.

What lives here: whether a Pod gets the sidecar, what the sidecar looks like, which variables its
neighbours get. What must not: HTTP, the Kubernetes API, the clock. Read `pod.inject` first; it is a
ladder of early returns.
"""
