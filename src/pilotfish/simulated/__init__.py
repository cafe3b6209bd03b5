"""Simulated vendors: a server that speaks their styles, with known delays and with faults. For `pilotfish demo` and for tests.

Lives here: the server, the wires as a vendor speaks them, the faults. Must not live here: anything that the proxy itself needs.
"""

from pilotfish.simulated.behaviour import Fault, Profile, RateLimit
from pilotfish.simulated.vendor import Seen, SimulatedVendor

__all__ = ["Fault", "Profile", "RateLimit", "Seen", "SimulatedVendor"]
