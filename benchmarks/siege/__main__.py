"""Does `segjax serve` hold against what strangers send?

    python -m benchmarks.siege roads.segjax
    python -m benchmarks.siege roads.segjax --only J1,J4 --share 0.1 --out siege.json

Each attack says what is to hold and what was measured; the exit code is 1 if any does
not. Needs Linux, httpx and, to see which files are opened, strace.
"""

import argparse
import dataclasses
import json
import pathlib
import platform
import sys

from benchmarks.siege import bodies, ends, load, names, uploads
from benchmarks.siege.target import Target

ATTACKS = {
    "latency": load.latency,
    "J1": uploads.damaged,
    "J2": uploads.bombs,
    "J3": bodies.oversize,
    "J4": bodies.slow,
    "J5": load.crowd,
    "J6": load.sizes,
    "J7": names.paths,
    "J9": names.manners,
    "J11": ends.leavers,
    "J12": ends.faults,
    "J13": load.soak,
    "stop": ends.stopped,
}
"""Name -> attack; J7 is J8 and J10, too. The last one ends the server."""


def main() -> int:
    """Run the attacks; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="exported models")
    parser.add_argument("--only", default=",".join(ATTACKS), metavar="J1,J2,...")
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE")
    args = parser.parse_args()
    target, outcomes = Target(args.models), []
    try:
        for name in args.only.split(","):
            outcomes.append(ATTACKS[name](target, args.share))
            print(outcomes[-1], flush=True)
    finally:
        target.stop()
    if args.out:
        document = {
            "machine": platform.platform(),
            "attacks": [dataclasses.asdict(outcome) for outcome in outcomes],
        }
        args.out.write_text(json.dumps(document, indent=1, default=str) + "\n")
    return int(any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
