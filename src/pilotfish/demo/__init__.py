"""The proxy with simulated vendors in one process, and the story that `pilotfish demo --once`
tells.
"""
