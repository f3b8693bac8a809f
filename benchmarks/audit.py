"""Does the audit find what was planted, and nothing else?

    python benchmarks/audit.py
    python benchmarks/audit.py --images 500 --each 5

Draws a clean set, audits it, plants `each` defects of every kind of
`tests/data/planted.py`, and audits it again. Prints recall, false alarms (findings that
name no spoiled example; all findings of the clean set) and pairs a second.
"""

import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/data"))

import planted

from segjax.data import audit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--each", type=int, default=5)
    args = parser.parse_args()
    if args.images < planted.spoiled(args.each) + 1:
        parser.error(f"--images: at least {planted.spoiled(args.each) + 1}")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        val = max(1, args.images // 10)
        planted.draw(root, args.images - val, val)
        clean = timed(root, "clean")
        expected = planted.plant(root, args.each)
        found = timed(root, "planted")
    missed = planted.misses(expected, found.findings)
    false = planted.alarms(args.each, found.findings)
    total = sum(map(len, expected.values()))
    print(f"kinds {len(expected)}, planted {total}, found {total - len(missed)}")
    print(f"recall {100 * (1 - len(missed) / total):.1f} %")
    print(f"false alarms: clean {len(clean.findings)}, planted {len(false)}")
    for line in (*missed, *false):
        print(f"  {line}")
    return 1 if missed or false or clean.findings else 0


def timed(root: pathlib.Path, what: str) -> audit.Audit:
    """Audit the set and print how quick that was."""
    wall, processor = time.perf_counter(), time.process_time()
    found = audit.run("folder", {"root": str(root), **planted.OPTIONS})
    pairs = sum(found.examples.values())
    wall = time.perf_counter() - wall
    processor = time.process_time() - processor
    print(
        f"{what}: {pairs} pairs of {planted.SIZE}, {pairs / wall:.0f} a second "
        f"({pairs / processor:.0f} a second of processor time)"
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
