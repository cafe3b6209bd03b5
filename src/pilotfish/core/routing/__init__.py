"""Which service a request goes to, what happens when that fails, and how to explain it afterwards.

What must not live here: sockets and clocks (`proxy` obeys what is decided here)."""
