"""Measure a config where it runs: start-up, loader, train step, memory, share of peak.

    python benchmarks/measure.py --config=configs/camvid_unet_cpu.py \
        --config.data.root=DIR --out=figures.json

One call checks that the step is finite and falls, measures, and writes one JSON file.
Times are medians. The loader is measured alone, then the step alone on one batch that
lies on the device, so the smaller of the two rates bounds a run.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

from absl import app, flags
from ml_collections import config_flags

CONFIG = config_flags.DEFINE_config_file("config", None, "The config to measure.")
OUT = flags.DEFINE_string(
    "out", None, "JSON file for the figures; stdout if not given."
)
STEPS = flags.DEFINE_integer("steps", 10, "Timed train steps, after two to warm up.")
BATCHES = flags.DEFINE_integer("batches", 20, "Timed batches of the loader.")
STARTS = flags.DEFINE_integer("starts", 3, "Fresh interpreters for the import time.")
LOADER = flags.DEFINE_bool("loader", True, "Read real files; else one made-up batch.")

PEAK_FLOPS = {"NVIDIA H200": 989e12, "NVIDIA H100": 989e12, "NVIDIA A100": 312e12}
"""Dense bfloat16 operations a second by the vendor's data sheet."""


def main(_: list[str]) -> None:
    """Measure and write."""
    imports = [_import_seconds() for _ in range(STARTS.value)]

    import jax

    from segjax import config as configs
    from segjax import parallel, process

    process.prepare()
    checked = configs.resolve(CONFIG.value)
    begin = time.perf_counter()
    devices = parallel.visible_devices()
    figures = {
        "config": CONFIG.value.to_dict(),
        "devices": devices,
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "jax": jax.__version__,
        "import_seconds": statistics.median(imports),
        "device_start_seconds": time.perf_counter() - begin,
    }
    batch, figures["loader_images_per_s"] = _loader(checked)
    figures |= _step(checked, batch)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures["peak_host_mib"] = round(rss)
    text = json.dumps(figures, indent=1, default=str)
    if OUT.value:
        with open(OUT.value, "w") as file:
            file.write(text + "\n")
    figures.pop("config")
    print(json.dumps(figures, indent=1, default=str))


def _import_seconds() -> float:
    """Wall time of a fresh interpreter that imports all that training needs."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import segjax.run"], check=True)
    return time.perf_counter() - begin


def _loader(checked):
    """One batch, and images a second of the input pipeline alone (None if made up)."""
    import numpy as np

    from segjax.core.keys import IMAGE, LABEL

    size = checked.input.batch_size
    if not LOADER.value:
        op = [o for o in checked.train_ops[0] if hasattr(o, "height")][-1]
        rng = np.random.default_rng(0)
        shape = (size, op.height, op.width)
        image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        return {IMAGE: image, LABEL: rng.integers(0, 11, shape, dtype=np.uint8)}, None

    from segjax.data import datasets, pipeline

    stream = pipeline.train_batches(
        datasets.make(split=checked.train_split, **checked.data),
        checked.train_ops[0],
        seed=checked.seed,
        batch_size=size,
        workers=checked.input.workers,
        threads=checked.input.threads,
        prefetch=1,
    )
    batch = next(stream)
    for _ in range(2):
        next(stream)
    begin = time.perf_counter()
    for _ in range(BATCHES.value):
        next(stream)
    rate = BATCHES.value * size / (time.perf_counter() - begin)
    stream.close()
    return batch, round(rate, 1)


def _step(checked, batch) -> dict:
    """Compile time, step time, images a second, memory and share of peak."""
    import jax
    import numpy as np

    from segjax import config as configs
    from segjax import losses, optim, parallel
    from segjax.core.keys import IGNORE, LABEL
    from segjax.nn.backend import portable
    from segjax.train import init
    from segjax.train.step import compile_step, make_step

    labels = np.asarray(batch[LABEL])
    K = max(2, int(labels[labels != IGNORE].max()) + 1)
    terms = {
        name: {k: v for k, v in options.items() if k != "class_weights"}
        for name, options in checked.loss.items()
    }
    mesh = parallel.make_mesh()
    model = configs.make_model(checked.model, 1 if checked.task == "binary" else K)
    tx, _ = optim.make(num_steps=checked.train.num_steps, **checked.optim)
    state = init.make_state(
        model, tx, seed=0, mesh=mesh, use_ema=checked.train.ema_decay > 0
    )
    step = make_step(
        model,
        losses.make(terms, checked.task),
        tx,
        normalize=checked.train_ops[1],
        num_classes=K,
        task=checked.task,
        seed=0,
        ema_decay=checked.train.ema_decay,
    )
    placed = parallel.put_batch(mesh, batch)
    begin = time.perf_counter()
    compiled = compile_step(step, mesh).lower(state, placed).compile()
    compile_seconds = time.perf_counter() - begin

    seconds, values = [], []
    for _ in range(STEPS.value + 2):
        begin = time.perf_counter()
        state, scalars = compiled(state, placed)
        values.append(float(scalars["loss"]))
        seconds.append(time.perf_counter() - begin)
    if not np.isfinite(values).all():
        raise SystemExit(f"loss is not finite: {values}")
    median = statistics.median(seconds[2:])
    device = jax.devices()[0]
    with portable():  # XLA cannot count within another library's calls
        counted = compile_step(step, mesh).lower(state, placed).compile()
    flops = (counted.cost_analysis() or {}).get("flops")
    peak = PEAK_FLOPS.get(device.device_kind)
    memory = compiled.memory_analysis()
    stats = device.memory_stats() or {}
    return {
        "parameters": init.count_parameters(state.params),
        "batch_shape": list(labels.shape),
        "compile_seconds": round(compile_seconds, 2),
        "step_ms": round(1e3 * median, 2),
        "step_images_per_s": round(len(labels) / median, 2),
        "loss_first_last": [values[0], values[-1]],
        "flops_per_step": flops,
        "flops_per_s": flops and flops / median,
        "share_of_peak": peak and flops and flops / median / peak / len(jax.devices()),
        "step_temporary_mib": memory and round(memory.temp_size_in_bytes / 2**20),
        "peak_device_mib": round(stats.get("peak_bytes_in_use", 0) / 2**20) or None,
    }


if __name__ == "__main__":
    app.run(main)
