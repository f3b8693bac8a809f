"""Compare oracles live and store what they answer: `python -m tests.oracles.record`."""

import sys

from tests.oracles import harness


def main(names: list[str]) -> None:
    """Record the named oracles; without names, those that have no fixture yet."""
    found = harness.oracles()
    for name in names or [n for n, o in found.items() if not o.fixture.exists()]:
        facts = harness.record(found[name])
        small, large = facts["small_error"], facts["large_error"]
        size = found[name].fixture.stat().st_size
        print(f"{name}: {small:.1e} small, {large:.1e} large, {size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
