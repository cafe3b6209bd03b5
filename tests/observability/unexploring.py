"""The proxy, but that it leaves nothing to chance of what it leaves to chance now and then: shares of
5 %, by which it measures services anew and lets races be won by others. The run is known because of
it.
"""

from __future__ import annotations

import random
import sys

from pilotfish.cli import main

EXPLORED = 0.05


class Unexploring(random.Random):
    def random(self) -> float:
        return EXPLORED + (1.0 - EXPLORED) * super().random()


if __name__ == "__main__":
    random.Random = Unexploring  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
