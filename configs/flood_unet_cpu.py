"""U-Net on photographs of floods, for two CPU cores.

Source:   Flood area segmentation, 290 photographs of any size, masks with soft edges.
Command:  python launch.py --config=configs/flood_unet_cpu.py --config.data.root=DIR
Expected: flood Dice 86.8 %, on 6 of 58 photographs (one seed, see the README).
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "binary"
    config.data = dict(name="flood_area", root="data/flood_area", known_faults="repair")
    config.input = dict(
        train_ops="resize(256, 256) | affine() | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="resize(256, 256) | normalize()",
        batch_size=4,
        workers=0,
        threads=2,
    )
    config.model = dict(name="unet", width=24, depth=4, patch=2)
    config.loss = dict(binary_cross_entropy=dict(weight=1.0), dice=dict(weight=1.0))
    config.optim = dict(
        name="adamw",
        learning_rate=2e-3,
        schedule="cosine",
        warmup_steps=30,
        weight_decay=1e-3,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=400, log_every=50, eval_every=400, save_every=400, ema_decay=0.99
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
