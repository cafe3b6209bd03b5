"""For all tests: a planted secret that comes out anywhere fails the test in which it does (`leaks.py`)."""

pytest_plugins = ["leaks"]
