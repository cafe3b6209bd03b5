"""IO: sockets, files, the Kubernetes API, the clock. Does what the core decides. `app.py` shows how it is put together."""
