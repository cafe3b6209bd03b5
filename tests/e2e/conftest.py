"""For all end-to-end tests."""

import pytest

from pilotfish.simulated import SimulatedVendor


@pytest.fixture
async def vendor():
    async with SimulatedVendor() as vendor:
        yield vendor
