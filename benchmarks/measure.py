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
    info, batch, rate = _loader(checked)
    figures["loader_images_per_s"] = rate and round(rate, 1)
    figures |= _step(checked, info, batch)
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
    """Class table, a batch, images a second of the loader alone (None if made up)."""
    import numpy as np

    from segjax.core.info import DatasetInfo
    from segjax.core.keys import IMAGE, LABEL
    from segjax.data import datasets
    from segjax.train import speed

    if LOADER.value:
        source = datasets.make(split=checked.train_split, **checked.data)
        return source.info, *speed.load(checked, source, BATCHES.value)
    op = [o for o in checked.train_ops[0] if hasattr(o, "height")][-1]
    rng = np.random.default_rng(0)
    shape = checked.input.batch_size, op.height, op.width
    K = 2 if checked.task == "binary" else 11
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    label = rng.integers(0, K, shape, dtype=np.uint8)
    info = DatasetInfo("made up", tuple(map(str, range(K))), ((0, 0, 0),) * K)
    return info, {IMAGE: image, LABEL: label}, None


def _step(checked, info, batch) -> dict:
    """Compile time, step time, images a second, memory and share of peak."""
    import jax
    import numpy as np

    from segjax.core.keys import LABEL
    from segjax.nn.backend import portable
    from segjax.train import init, speed

    function, state, placed = speed.step_and_arguments(checked, info, batch)
    begin = time.perf_counter()
    compiled = function.lower(state, placed).compile()
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
        counted = function.lower(state, placed).compile()
    flops = (counted.cost_analysis() or {}).get("flops")
    peak = PEAK_FLOPS.get(device.device_kind)
    memory = compiled.memory_analysis()
    stats = device.memory_stats() or {}
    return {
        "parameters": init.count_parameters(state.params),
        "batch_shape": list(batch[LABEL].shape),
        "compile_seconds": round(compile_seconds, 2),
        "step_ms": round(1e3 * median, 2),
        "step_images_per_s": round(len(batch[LABEL]) / median, 2),
        "loss_first_last": [values[0], values[-1]],
        "flops_per_step": flops,
        "flops_per_s": flops and flops / median,
        "share_of_peak": peak and flops and flops / median / peak / len(jax.devices()),
        "step_temporary_mib": memory and round(memory.temp_size_in_bytes / 2**20),
        "peak_device_mib": round(stats.get("peak_bytes_in_use", 0) / 2**20) or None,
    }


if __name__ == "__main__":
    app.run(main)
