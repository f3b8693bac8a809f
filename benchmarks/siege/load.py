"""J5, J6, J13 and what a picture takes: many clients, many sizes, many pictures."""

import collections
import random
import threading
import time

from benchmarks.siege import draw
from benchmarks.siege.found import Found
from benchmarks.siege.target import percentile

MOST_MIB, MOST_SHARE = 30, 0.05
"""By which memory may grow over two thousand requests: the larger of them."""


def latency(target, share):
    """What a picture of CamVid's size takes, one after another, and the memory."""
    found = Found("-", "pictures of 360 x 480, one after another", "measured")
    number = max(20, round(200 * share))
    seconds, network = [], []
    for _ in range(number):
        begin = time.perf_counter()
        answer = target.predict(target.picture)
        seconds.append(time.perf_counter() - begin)
        network.append(answer.json()["models"][0]["seconds"]["network"])
    found.figures = {
        "pictures": number,
        "median s": percentile(seconds, 0.5),
        "p99 s": percentile(seconds, 0.99),
        "network median s": percentile(network, 0.5),
        **{f"{k} MiB": round(v) for k, v in target.memory().items()},
    }
    return found


def crowd(target, share):
    """J5: fifty clients at once, each from an address of its own."""
    each = max(2, round(20 * share))
    found = Found(
        "J5",
        f"50 clients with {each} pictures each",
        "no server error but 503 with Retry-After; an answer within 30 s; masks as "
        "one by one; the queue holds; memory is bounded",
    )
    pictures = [draw.png(draw.scene(360, 480, seed)) for seed in range(5)]
    expected = [target.mask(p).content for p in pictures]
    codes, slowest, queue = collections.Counter(), [], []
    lock, base = threading.Lock(), sum(target.memory().values())

    def client(number):
        with target.new_client(f"127.0.1.{number + 1}") as own:
            for i in range(each):
                which = (number + i) % len(pictures)
                _until_answered(own, which)

    def _until_answered(own, which):
        while True:
            begin = time.perf_counter()
            answer = target.mask(pictures[which], own)
            took = time.perf_counter() - begin
            with lock:
                codes[answer.status_code] += 1
                slowest.append(took)
            if answer.status_code == 200:
                found.hold(answer.content == expected[which], "another mask")
                return
            wait = answer.headers.get("retry-after")
            fair = answer.status_code in (429, 503) and wait
            found.hold(fair, f"{answer.status_code} without Retry-After")
            time.sleep(float(wait or 1) * (0.5 + random.random()))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(50)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    peak = base
    while any(thread.is_alive() for thread in threads):
        queue.append(target.metric("segjax_queue"))
        peak = max(peak, sum(target.memory().values()))
        time.sleep(0.3)
    took = time.perf_counter() - begin
    found.hold(max(slowest) <= 30, f"an answer took {max(slowest):.0f} s")
    found.hold(max(queue) <= 8, f"{max(queue):.0f} in the queue")
    found.figures = {
        "codes": dict(codes),
        "pictures a second": codes[200] / took,
        "slowest answer s": max(slowest),
        "longest queue": int(max(queue)),
        "rise MiB": peak - base,
    }
    return found


def sizes(target, share):
    """J6: pictures of as many sizes as there are pictures."""
    number = max(60, round(300 * share))
    found = Found(
        "J6",
        f"{number} sizes of pictures",
        "no program compiled after the start, p99 of three medians at most, no more "
        "memory",
    )
    rng = random.Random(0)
    before = target.metric("segjax_compiled_programs")
    seconds, memory = [], []
    for i in range(number):
        size = 240 + rng.randrange(240), 320 + rng.randrange(320)
        content = draw.png(draw.scene(*size))
        begin = time.perf_counter()
        found.hold(target.mask(content).status_code == 200, f"{size}")
        seconds.append(time.perf_counter() - begin)
        if i % 20 == 19:
            memory.append(sum(target.memory().values()))
    programs = target.metric("segjax_compiled_programs")
    median, slow = percentile(seconds, 0.5), percentile(seconds, 0.99)
    half = len(memory) // 2
    growth = sum(memory[half:]) / (len(memory) - half) - sum(memory[:half]) / half
    found.hold(programs == before, f"{before:.0f} -> {programs:.0f} programs")
    found.hold(slow <= 3 * median, f"p99 {slow:.2f} s, median {median:.2f} s")
    found.hold(growth <= MOST_MIB, f"{growth:.0f} MiB more")
    found.figures = {
        "programs": int(programs),
        "median s": median,
        "p99 s": slow,
        "second half more MiB": growth,
    }
    return found


def soak(target, share):
    """J13: good and bad pictures in turn, for long."""
    number = max(100, round(1000 * share))
    found = Found(
        "J13",
        f"{number} good and {number} bad pictures",
        "memory grows by 30 MiB or 5 % at most, and a planted leak is found",
    )
    rng, seeds, memory = random.Random(1), draw.seeds(), []
    warm = max(50, number // 5)
    for i in range(number + warm):
        good = target.mask()
        found.hold(good.status_code == 200, f"a good one: {good.status_code}")
        bad = target.predict(draw.mutated(rng.choice(seeds), rng))
        found.hold(bad.status_code < 500, f"a bad one: {bad.status_code}")
        if i >= warm and i % 10 == 0:
            memory.append(sum(target.memory().values()))
    growth = _growth(memory)
    most = max(MOST_MIB, MOST_SHARE * memory[0])
    found.hold(growth <= most, f"{growth:.0f} MiB")
    planted = [m + 0.1 * 10 * i for i, m in enumerate(memory)]  # 0.1 MiB a picture
    if number >= 500:
        found.hold(_growth(planted) > most, "a planted leak is not found")
    found.figures = {
        "first MiB": memory[0],
        "grew by MiB": growth,
        "a planted leak of 0.1 MiB a picture": _growth(planted),
    }
    return found


def _growth(memory):
    """From the first tenth to the last tenth, medians."""
    tenth = max(1, len(memory) // 10)
    return percentile(memory[-tenth:], 0.5) - percentile(memory[:tenth], 0.5)
