"""U-Net on CamVid at full size, for one GPU.

Source:   Brostow et al. 2009; split of SegNet: 367 train, 101 val, 11 classes, 360x480.
Command:  python launch.py --config=configs/camvid_unet.py --config.data.root=DIR
Expected: not measured (no GPU was at hand).
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="camvid", root="data/camvid", train_split="train", val_split="val"
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(352, 480) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=8,
        workers=0,
        threads=16,
    )
    config.model = dict(name="unet", width=64, depth=4, dropout=0.2, dtype="bfloat16")
    config.loss = dict(cross_entropy=dict(weight=1.0), dice=dict(weight=1.0))
    config.optim = dict(
        name="adamw",
        learning_rate=1e-3,
        schedule="poly",
        warmup_steps=500,
        weight_decay=1e-2,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=14_000,  # 305 epochs
        log_every=50,
        eval_every=500,
        save_every=500,
        ema_decay=0.999,
    )
    config.evaluate = dict(batch_size=8)
    return quick.answer(config, arg)
