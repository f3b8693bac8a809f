"""U-Net on the membranes of ISBI 2012 with elastic deformation, for two CPU cores.

Source:   30 slices of 512x512; Ronneberger et al. 2015, arXiv 1505.04597, section 3.1.
Command:  python launch.py --config=configs/isbi2012_unet_cpu.py --config.data.root=DIR
Expected: membrane Dice 79.4 %, mIoU 0.782 (one seed, see the README).
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "binary"
    config.data = dict(name="isbi2012", root="data/isbi2012")
    config.input = dict(
        train_ops="elastic() | crop(192, 192) | flip_lr() | flip_ud() "
        "| rotate90() | brightness(0.2) | contrast(0.2) | normalize('data')",
        eval_ops="normalize('data')",
        batch_size=4,
        workers=0,
        threads=2,
    )
    config.model = dict(name="unet", width=12, depth=4)
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
        num_steps=250, log_every=50, eval_every=250, save_every=250, ema_decay=0.99
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
