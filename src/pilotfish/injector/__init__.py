"""The admission server around `injector.patch`: HTTPS, certificates, leader, watchdog. `app.py`
shows how it is put together.
"""
