"""Which service a request goes to, what happens when that fails, and how both are explained.

What must not live here: sockets and clocks. `proxy` carries out what is decided here.
"""
