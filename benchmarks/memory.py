"""The planned memory of a run beside what its process takes, on a CPU.

    python -m benchmarks.memory --configs=configs/streets_unet.py
    python -m benchmarks.memory --configs=configs/camvid_unet_cpu.py --root=DIR

For each config `segjax plan` is asked, then a run of some steps is watched from
outside: the kernel's mark of its peak is set back when its first log line is there, and
read until its last step, and again until its end, which evaluates. Twice: as a run has
it, keeping freed memory, and with SEGJAX_KEEP_FREED=0.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app, flags

CONFIGS = flags.DEFINE_list("configs", ["configs/streets_unet.py"], "What to measure.")
ROOT = flags.DEFINE_string("root", None, "Where the configs' data are.")
STEPS = flags.DEFINE_integer("steps", 60, "Of a run.")

HOME = pathlib.Path(__file__).resolve().parents[1]
LOGGED = 10
"""Steps to a log line; from the first one on a run is watched."""
MIB = 2**20


def main(_: list[str]) -> None:
    """Plan and run each config twice; print a table."""
    print(
        "| config | freed memory kept | step planned | run planned | in pieces, up to "
        "| run took | ratio | with evaluation |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for config in CONFIGS.value:
        for keep in ("1", "0"):
            planned = plan(config, keep)
            whole = planned["resident"]
            steps, evaluation = run(config, keep)
            sizes = planned["train_bytes"], whole["total"], whole["kept"], steps
            cells = [f"{size / MIB:,.0f} MiB" for size in sizes]
            cells += [f"{steps / whole['total']:.2f}", f"{evaluation / MIB:,.0f} MiB"]
            names = [config, "yes" if keep == "1" else "no"]
            print(f"| {' | '.join([*names, *cells])} |", flush=True)


def plan(config: str, keep: str) -> dict:
    """What `segjax plan` says."""
    words = ["-m", "segjax", "plan", "--json", *_given(config)]
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "SEGJAX_KEEP_FREED": keep},
        cwd=HOME,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def run(config: str, keep: str) -> tuple[int, int]:
    """Peak bytes of a run's steps, and of its end with the evaluation."""
    length = {"log_every": LOGGED, "eval_every": STEPS.value, "save_every": STEPS.value}
    flags_ = [f"--config.train.{k}={v}" for k, v in length.items()]
    flags_ += [f"--config.train.num_steps={STEPS.value}"]
    words = [*_given(config), *flags_, "--config.optim.warmup_steps=0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "launch.py", *words, f"--workdir={folder}"],
            env={**os.environ, "SEGJAX_KEEP_FREED": keep},
            cwd=HOME,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        place = pathlib.Path("/proc") / str(process.pid)
        peaks = {"start": 0, "steps": 0, "end": 0}
        phase = "start"
        while process.poll() is None:
            now = _phase(pathlib.Path(folder) / "metrics.jsonl")
            if now != phase:
                (place / "clear_refs").write_text("5")
            phase = now
            peaks[phase] = max(peaks[phase], _peak(place))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{config}: the run ended with {process.returncode}")
    return peaks["steps"], peaks["end"]


def _given(config: str) -> list[str]:
    return [f"--config={config}"] + [f"--config.data.root={ROOT.value}"] * bool(
        ROOT.value
    )


def _phase(log: pathlib.Path) -> str:
    """Where a run is, by its log."""
    lines = log.read_text().splitlines() if log.exists() else []
    if not lines:
        return "start"
    return "end" if len(lines) >= STEPS.value // LOGGED else "steps"


def _peak(place: pathlib.Path) -> int:
    """The largest memory of a process since its mark was set back."""
    try:
        lines = (place / "status").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return 1024 * int(found[0]) if found else 0


if __name__ == "__main__":
    app.run(main)
