"""J1, J2: files that are damaged, and files that are bombs."""

import collections
import random
import time

from benchmarks.siege import draw
from benchmarks.siege.found import Found
from benchmarks.siege.target import Peak, percentile


def damaged(target, share):
    """J1: mutated pictures of every format, and files that are two at once."""
    found = Found(
        "J1",
        "damaged uploads",
        "0 server errors, 4xx in JSON within 1 s p99, the same mask after each 100",
    )
    rng, seeds = random.Random(0), draw.seeds()
    codes, refused_in, bad = collections.Counter(), [], collections.Counter()
    expected = target.mask().content
    number = max(100, round(2000 * share))
    for i in range(number):
        content = draw.mutated(rng.choice(seeds), rng)
        begin = time.perf_counter()
        answer = target.predict(content)
        took = time.perf_counter() - begin
        codes[answer.status_code] += 1
        if answer.status_code != 200:
            refused_in.append(took)
            said = answer.json()
            bad[said.get("code")] += 1
            whole = {"error", "code"} == set(said) and answer.status_code < 500
            found.hold(whole, f"{i}: {answer.status_code} {answer.text[:80]}")
        if (i + 1) % 100 == 0:
            same = target.mask().content == expected
            found.hold(same, f"another mask after {i + 1}")
    slow = percentile(refused_in, 0.99)
    found.hold(slow <= 1, f"p99 {slow:.2f} s")
    found.figures = {
        "uploads": number,
        "answered": codes[200],
        "refused": len(refused_in),
        "as": dict(bad),
        "median s": percentile(refused_in, 0.5),
        "p99 s": slow,
        "slowest s": max(refused_in),
        "server errors": sum(n for c, n in codes.items() if c >= 500),
    }
    return found


def bombs(target, share):
    """J2: small files that would take much to open."""
    del share
    found = Found(
        "J2",
        "decompression bombs",
        "each answered within 1 s, memory rises by 50 MiB at most",
    )
    expected, rises, took = target.mask().content, {}, {}
    for name, content in draw.bombs().items():
        with Peak(target) as peak:
            begin = time.perf_counter()
            answer = target.predict(content)
            took[name] = time.perf_counter() - begin
            time.sleep(0.1)
        rises[name] = peak.rise
        refused = answer.status_code in (413, 422)
        small = answer.status_code == 200 and answer.json()["picture"]["height"] == 8
        found.hold(refused or small, f"{name}: {answer.status_code}")
        found.hold(took[name] <= 1, f"{name}: {took[name]:.2f} s")
        found.hold(rises[name] <= 50, f"{name}: {rises[name]:.0f} MiB")
    found.hold(target.mask().content == expected, "another mask after the bombs")
    found.figures = {
        "bombs": len(took),
        "slowest s": max(took.values()),
        "largest rise MiB": max(rises.values()),
    }
    return found
