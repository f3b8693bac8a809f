"""Eight fake CPU devices, quick compiles, shape checks on, grain's flags parsed."""

import functools
import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8"
    + " --xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false"  # which take twice as long to compile
    + " --xla_cpu_parallel_codegen_split_count=1"  # which spares a tenth
)

import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image

install_import_hook("segjax", "beartype.beartype")


def pytest_configure(config):
    """A cache of its own; and grain's workers read absl's flags, left unparsed."""
    from absl import flags

    flags.FLAGS.mark_as_parsed()
    os.environ["SEGJAX_CACHE"] = tempfile.mkdtemp(prefix="segjax-cache-")
    os.environ["SEGJAX_KEEP_FREED"] = "0"  # thousands of programs would leave holes


def pytest_unconfigure(config):
    """Without a trace."""
    shutil.rmtree(os.environ["SEGJAX_CACHE"], ignore_errors=True)


CLASSES = ("background", "disc", "bar")
"""Of the drawn images of the fixture `drawn`; the first two or all three."""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """`folder(classes)` with eight images of a disc, or of a disc and a bar."""

    @functools.cache
    def folder(classes: int) -> str:
        root = tmp_path_factory.mktemp(f"drawn{classes}")
        (root / "images").mkdir()
        (root / "masks").mkdir()
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:24, :32]
        for i in range(8):
            disc = (y - rng.integers(6, 18)) ** 2 + (x - rng.integers(6, 26)) ** 2 < 30
            bar = abs(x - rng.integers(4, 28)) < 3
            mask = np.where(disc, 1, 2 * bar if classes == 3 else 0).astype(np.uint8)
            colours = np.array([(30, 30, 30), (200, 60, 60), (40, 60, 200)])
            image = colours[mask] + rng.integers(-30, 30, (24, 32, 3))
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(
                root / f"images/{i}.png"
            )
            Image.fromarray(mask).save(root / f"masks/{i}.png")
        lines = [f"{k} {name}" for k, name in enumerate(CLASSES[:classes])]
        (root / "classes.txt").write_text("\n".join(lines))
        return str(root)

    return folder


@pytest.fixture(scope="session")
def settings(drawn):
    """The config of the smallest run; changes are `section__field=value`."""

    def make(classes: int = 3, **changes) -> dict:
        config = dict(
            seed=1,
            data=dict(name="folder", root=drawn(classes), val_share=0.3),
            input=dict(
                train_ops="crop(16, 16) | flip_lr() | color_jitter(0.1) | normalize()",
                batch_size=8,
                threads=1,
            ),
            model=dict(name="unet", width=2, depth=1, dropout=0.1),
            loss=dict(cross_entropy=dict()),
            optim=dict(name="adamw", learning_rate=1e-2, schedule="constant"),
            train=dict(
                num_steps=7, log_every=3, eval_every=5, save_every=2, ema_decay=0.5
            ),
            evaluate=dict(pictures=2),
        )
        for path, value in changes.items():
            *sections, field = path.split("__")
            section = config
            for name in sections:
                section = section[name]
            section[field] = value
        return config

    return make
