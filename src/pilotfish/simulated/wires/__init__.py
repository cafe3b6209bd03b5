"""The vendors' wire formats as a server speaks them: requests in, answers, events and errors out.
Pure: no IO, no clock.

Written apart from `pilotfish.styles` on purpose: a fake that shared code with what it tests would
share its mistakes.
"""
