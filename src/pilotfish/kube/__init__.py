"""The few Kubernetes API calls we need: list, watch, read and write single objects, each path
written out.

The official client does configuration, TLS and tokens (`connection.py`); its 250 model modules are
never imported, which saves a sidecar some 25 MiB. Import this package only where there is a cluster
to talk to.
"""
