"""What holds for all tests: a planted secret that comes out anywhere fails the test in which it
does (`leaks.py`).
"""

from hypothesis import settings

pytest_plugins = ["leaks"]

# No example is judged by how long it took: on a machine with other work, any may take a second.
settings.register_profile("pilotfish", deadline=None)
settings.load_profile("pilotfish")
