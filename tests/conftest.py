"""What holds for all tests."""

from hypothesis import settings

# No example is judged by how long it took: on a machine with other work, any may take a second.
settings.register_profile("pilotfish", deadline=None)
settings.load_profile("pilotfish")
