"""U-Net on the vessels of DRIVE, one fold of five, for two CPU cores.

Source:   DRIVE's 20 training images; Ronneberger et al. 2015, arXiv 1505.04597.
Command:  for k in 0 1 2 3 4: python launch.py --config=configs/drive_unet_cpu.py
          --config.data.root=DIR --config.data.fold=k --workdir=runs/drive_k
Expected: vessel Dice 75.2 % in the mean of the folds, 71.7 to 77.7 (see the README).
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "binary"
    config.data = dict(name="drive", root="data/DRIVE", folds=5, fold=0)
    config.input = dict(
        train_ops="crop(192, 192) | flip_lr() | flip_ud() | rotate90() "
        "| color_jitter(0.2, 0.2, 0.2, 0.0) | normalize('data')",
        eval_ops="normalize('data')",
        batch_size=4,
        workers=0,
        threads=2,
    )
    config.model = dict(name="unet", width=12, depth=3)
    config.loss = dict(binary_cross_entropy=dict(weight=1.0), dice=dict(weight=1.0))
    config.optim = dict(
        name="adamw",
        learning_rate=3e-3,
        schedule="cosine",
        warmup_steps=30,
        weight_decay=1e-3,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=240, log_every=50, eval_every=240, save_every=240, ema_decay=0.99
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
