"""The admin port: health, metrics, status, explain, reset, and a page for people."""
