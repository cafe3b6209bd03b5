"""One exchange: the request as it was read, the call that is made of it, the answer on its way
back.

What must not live here: which service is asked (`core.routing`) and what is remembered of it
afterwards (`core.state`)."""
