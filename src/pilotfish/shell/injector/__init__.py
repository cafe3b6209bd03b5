"""The admission server around `core.inject`: HTTPS, certificates, leader, watchdog. `app.py` shows how it is put together."""
