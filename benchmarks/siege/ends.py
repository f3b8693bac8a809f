"""J11, J12: clients that leave, processes that die, and the end of the server."""

import contextlib
import os
import random
import resource
import signal
import socket
import threading
import time
from pathlib import Path

from benchmarks.siege import draw
from benchmarks.siege.bodies import FILE, FORM
from benchmarks.siege.found import Found


def leavers(target, share):
    """J11: clients that leave within a request, or before its answer."""
    number = max(50, round(200 * share))
    found = Found(
        "J11a",
        f"{number} clients that leave in the middle",
        "no file, thread or place in the queue stays taken; masks as before",
    )
    expected, rng = target.mask().content, random.Random(0)
    files, threads = target.files(), _threads(target)
    body = FILE + target.picture + b"\r\n--B--\r\n"
    head = FORM + b"content-length: %d\r\n\r\n" % len(body)
    for i in range(number):
        with socket.create_connection(("127.0.0.1", target.port), 10) as connection:
            whole = head + body
            cut = len(whole) if i % 2 else rng.randrange(1, len(whole))
            connection.sendall(whole[:cut])
            time.sleep(rng.random() * 0.05)
            if i % 3 == 0:
                hard = b"\1\0\0\0\0\0\0\0"  # a reset, not an end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
    quiet = target.wait(lambda: target.metric("segjax_queue") == 0, 60)
    found.hold(quiet is not None, "the queue does not empty")
    back = target.wait(lambda: target.files() <= files + 1, 30)
    found.hold(back, f"{files} files open before, {target.files()} after")
    after = _threads(target)
    found.hold(after <= threads + 2, f"{threads} threads before, {after} after")
    found.hold(target.mask().content == expected, "another mask")
    found.figures = {
        "files before, after": f"{files}, {target.files()}",
        "threads before, after": f"{threads}, {after}",
    }
    return found


def faults(target, share):
    """J12: a worker is killed, and one has no memory."""
    del share
    found = Found(
        "J12",
        "a worker is killed; a worker has no memory",
        "503, the server lives and is not ready meanwhile, the worker is back in 15 s",
    )
    expected, took = target.mask().content, {}

    def killed(workers):
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        target.wait(lambda: target.get("/readyz").status_code == 503, 2)
        return target.mask()

    def starved(workers):
        for pid in workers:
            taken = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
            most = taken * resource.getpagesize()
            resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
        return target.mask(draw.png(draw.scene(2000, 2000)))

    for fault in (killed, starved):
        name = fault.__name__
        begin = time.monotonic()
        answer = fault(target.processes()["worker"])  # of every model
        fair = answer.status_code == 503 and answer.headers.get("retry-after")
        found.hold(fair, f"{name}: {answer.status_code}")
        alive = target.get("/healthz").status_code == 200
        found.hold(alive, f"{name}: the server does not live")
        ready = target.get("/readyz").status_code
        found.hold(ready == 503, f"{name}: ready is {ready}")
        back = target.wait(lambda: target.get("/readyz").status_code == 200, 120)
        took[name] = time.monotonic() - begin
        found.hold(back and took[name] <= 15, f"{name}: back in {took[name]:.0f} s")
        found.hold(target.mask().content == expected, f"{name}: another mask")
    found.figures = {f"{name}: back in s": seconds for name, seconds in took.items()}
    return found


def stopped(target, share):
    """J11: SIGTERM while pictures are with the model. The target has ended after."""
    del share
    found = Found(
        "J11b",
        "SIGTERM under load",
        "not ready first, running requests finished, gone within 15 s, code 143, no "
        "process left",
    )
    pids = [p for group in target.processes().values() for p in group]
    answers = []

    def client(number):
        with contextlib.suppress(OSError):
            own = target.new_client(f"127.0.2.{number + 1}")
            answers.append(target.mask(client=own).status_code)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    target.process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    time.sleep(0.1)
    ready = target.get("/readyz").status_code
    code = target.process.wait(60)
    took = time.monotonic() - begin
    for thread in threads:
        thread.join(10)
    time.sleep(0.5)
    left = [pid for pid in pids if _runs(pid)]
    found.hold(ready == 503, f"ready is {ready}")
    found.hold(answers == [200] * 6, f"answers {answers}")
    found.hold(code == 143, f"code {code}")
    found.hold(took <= 15, f"took {took:.0f} s")
    found.hold(not left, f"{left} still run")
    found.figures = {"seconds": took, "code": code, "answers": answers}
    return found


def _threads(target):
    return len(os.listdir(f"/proc/{target.process.pid}/task"))


def _runs(pid):
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    return False
