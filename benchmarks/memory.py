"""The planned memory of a train step beside what its process takes, on a CPU.

    python -m benchmarks.memory --configs=configs/streets_unet.py --classes=11

For each config a process of its own plans the step, notes its resident memory, sets the
kernel's mark of the peak back, and takes some steps on made-up data. What the peak is
above the note is the step's; the ratio tells how far XLA's analysis can be trusted.
Twice: as a run has it, keeping freed memory, and with SEGJAX_KEEP_FREED=0.
"""

import json
import os
import pathlib
import subprocess
import sys

from absl import app, flags

CONFIGS = flags.DEFINE_list("configs", ["configs/streets_unet.py"], "What to measure.")
CLASSES = flags.DEFINE_integer("classes", 11, "Of the made-up data.")
STEPS = flags.DEFINE_integer("steps", 3, "That are taken.")
CHILD = flags.DEFINE_string("child", None, "The config that this process measures.")

ROOT = pathlib.Path(__file__).resolve().parents[1]
MIB = 2**20


def main(_: list[str]) -> None:
    """Measure each config in processes of their own and print a table."""
    if CHILD.value:
        print(json.dumps(measure(CHILD.value, CLASSES.value, STEPS.value)))
        return
    print("| config | keeps freed | process before | planned | taken | ratio |")
    print("|---|---|---:|---:|---:|---:|", flush=True)
    for config in CONFIGS.value:
        for keep in ("1", "0"):
            words = [f"--child={config}", f"--classes={CLASSES.value}"]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.memory", *words],
                env={**os.environ, "SEGJAX_KEEP_FREED": keep},
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            row = json.loads(done.stdout.splitlines()[-1])
            cells = [f"{row[k] / MIB:,.0f} MiB" for k in ("before", "planned", "taken")]
            ratio = f"{row['taken'] / row['planned']:.2f}"
            names = [config, "yes" if keep == "1" else "no"]
            print(f"| {' | '.join([*names, *cells, ratio])} |", flush=True)


def measure(file: str, classes: int, steps: int) -> dict[str, int]:
    """Bytes of this process `before` the steps, `planned` for them and `taken`."""
    import jax

    from segjax import config, parallel, process
    from segjax.commands.inspect import load_config

    process.prepare()
    from segjax.train import cost, init, plan, speed

    checked = config.resolve(load_config(file, ()))
    classes = 2 if checked.task == "binary" else classes
    info = plan.made_up(classes)
    mesh, batch = parallel.make_mesh(), plan.batch_of(checked, info)
    function, model, tx, options = speed.step_without_data(checked, info, mesh)
    target = init.abstract_state(model, tx, **options)
    shapes = parallel.abstract_batch(mesh, batch)
    compiled = function.lower(target, shapes).compile()
    initial = init.make_state(model, tx, seed=0, **options)
    made = sum(x.nbytes for x in jax.tree.leaves(initial))
    before = _status("VmRSS") - made
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak is now
    state, placed = initial, parallel.put_batch(mesh, plan.filled(batch, classes))
    del initial
    for _ in range(steps):
        state, scalars = compiled(state, placed)
        float(scalars["loss"])
    peak = _status("VmHWM")
    return {
        "before": before,
        "planned": cost.peak_bytes(compiled),
        "taken": peak - before,
    }


def _status(name: str) -> int:
    """A line of `/proc/self/status` in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(name)


if __name__ == "__main__":
    app.run(main)
