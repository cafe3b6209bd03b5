"""The shell: sockets, files, the Kubernetes API, the clock. It does what the core decides and decides nothing itself."""
