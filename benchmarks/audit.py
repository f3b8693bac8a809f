"""Does the audit find what was planted, and nothing else?

    python benchmarks/audit.py
    python benchmarks/audit.py --images 500 --each 5
    python benchmarks/audit.py --swaps camvid --root DIR


Draws a clean set, audits it, plants `each` defects of every kind of
`tests/data/planted.py`, and audits it again. Prints recall, false alarms (findings that
name no spoiled example; all findings of the clean set) and pairs a second. `--swaps`
instead exchanges masks of equal size in a real set, a twentieth of the pairs (from 2 to
20) three times, and prints how many of the exchanges are suspected.
"""

import argparse
import dataclasses
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests/data"))

import numpy as np
import planted

from segjax.commands import answer
from segjax.data import audit
from segjax.data.audit import candidates, pairs, swaps


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--swaps", metavar="DATASET")
    parser.add_argument("--root", default="")
    parser.add_argument("--option", action="append", default=[])
    args = parser.parse_args()
    if args.swaps:
        exchange(args.swaps, {"root": args.root, **answer.options(args.option)})
        return 0
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


def exchange(name: str, options: dict) -> None:
    """Exchange masks in memory and print how many exchanges are suspected."""
    found = candidates.gather(name, options)
    looks = [pairs.look(c, found) for c in found.pairs]
    looks = [p for p in looks if p.label is not None and p.mask.size == p.image.size]
    print(f"{len(looks)} pairs; as they are: {len(swaps.suspects(looks))} suspects")
    rng = np.random.default_rng(0)
    total = right = wrong = 0
    for _ in range(3):
        spoiled, done = list(looks), set()
        left = list(rng.permutation(len(looks)))
        while left and len(done) < min(20, max(2, len(looks) // 20)):
            i = left.pop()
            j = next((j for j in left if looks[j].image.size == looks[i].image.size), i)
            if i != j:
                left.remove(j)
                a, b = looks[i], looks[j]
                spoiled[i] = dataclasses.replace(a, label=b.label)
                spoiled[j] = dataclasses.replace(b, label=a.label)
                done.add(frozenset((a.at[0], b.at[0])))
        named = [frozenset((f.files[0], f.files[2])) for f in swaps.suspects(spoiled)]
        total += len(done)
        right += sum(n in done for n in named)
        wrong += sum(n not in done for n in named)
    print(f"exchanged {total}, suspected {right}, others suspected {wrong}")


def timed(root: pathlib.Path, what: str) -> audit.Audit:
    """Audit the set and print how quick that was."""
    wall, processor = time.perf_counter(), time.process_time()
    found = audit.run("folder", {"root": str(root), **planted.OPTIONS})
    number = sum(found.examples.values())
    wall = time.perf_counter() - wall
    processor = time.process_time() - processor
    print(
        f"{what}: {number} pairs of {planted.SIZE}, {number / wall:.0f} a second "
        f"({number / processor:.0f} a second of processor time)"
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
