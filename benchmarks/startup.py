"""Seconds from the command to the first train step, and what they are spent on.

    python benchmarks/startup.py --config=configs/streets_unet.py --out=startup.json

Each start is a process of its own with a run folder of its own, stopped after its first
step. `cold` starts find nothing of an earlier one; `warm` starts share the folder in
which data already looked at, and on an accelerator compiled programs, are kept. Beside
the seconds on the clock stand those of the processor, which a busy machine changes
less. The state is made while the step compiles, so the stages may overlap.
"""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

CONFIG = flags.DEFINE_string(
    "config", "configs/streets_unet.py", "The config to start, as launch.py takes it."
)
ROUNDS = flags.DEFINE_integer("rounds", 3, "Starts of each kind.")
OUT = flags.DEFINE_string("out", None, "JSON file for the figures.")

ROOT = pathlib.Path(__file__).resolve().parents[1]
STAGES = ("imported", "audited", "state", "compiled", "seconds")
"""Moments of a start; `seconds` is the first step."""


def main(argv: list[str]) -> None:
    """Measure and print; words behind the flags go to launch.py, e.g. overrides."""
    load = os.getloadavg()[0]
    figures = {
        "config": CONFIG.value,
        "load_before": load,
        "help": [_call("launch.py", "--help") for _ in range(ROUNDS.value)],
        "import": [_call("-c", "import segjax.run") for _ in range(ROUNDS.value)],
        "cold": [],
        "warm": [],
    }
    with tempfile.TemporaryDirectory() as shared:
        start(pathlib.Path(shared), argv[1:])  # fills the shared folder
        for _ in range(ROUNDS.value):
            figures["warm"].append(start(pathlib.Path(shared), argv[1:]))
            with tempfile.TemporaryDirectory() as fresh:
                figures["cold"].append(start(pathlib.Path(fresh), argv[1:]))
    print(f"{CONFIG.value}, {ROUNDS.value} starts each, load {load:.1f} before")
    for name in ("help", "import"):
        print(f"{name}: {statistics.median(figures[name]):.2f} s")
    print("| start | " + " | ".join(STAGES) + " | processor |")
    print("|---|" + "---:|" * (len(STAGES) + 1))
    for kind in ("cold", "warm"):
        cells = [
            f"{statistics.median(row[stage] for row in figures[kind]):.2f}"
            for stage in (*STAGES, "processor")
        ]
        print(f"| {kind} | {' | '.join(cells)} |")
    if OUT.value:
        pathlib.Path(OUT.value).write_text(json.dumps(figures, indent=1) + "\n")


def start(cache: pathlib.Path, words: list[str]) -> dict[str, float]:
    """Start a run and stop it: stage -> seconds since the command was given."""
    with tempfile.TemporaryDirectory() as workdir:
        log = pathlib.Path(workdir) / "timing.jsonl"
        begin = time.monotonic()
        process = subprocess.Popen(
            [
                *(sys.executable, "launch.py", f"--config={CONFIG.value}"),
                *(f"--workdir={workdir}", *words),
            ],
            cwd=ROOT,
            env={**os.environ, "SEGJAX_CACHE": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not (log.exists() and log.read_bytes().endswith(b"\n")):
            time.sleep(0.02)
            if process.poll() is not None:
                raise SystemExit(process.stderr.read())
        seconds = time.monotonic() - begin
        processor = _processor_seconds(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        row = json.loads(log.read_text().splitlines()[0])
    before = seconds - row["seconds"]  # the interpreter and its imports
    found = {stage: row[stage] + before for stage in STAGES[1:]}
    return {"imported": before, **found, "processor": processor}


def _call(*words: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True)
    return time.perf_counter() - begin


def _processor_seconds(pid: int) -> float:
    """User and system time of a living process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    app.run(main)
