"""U-Net on CamVid for two CPU cores: half resolution, a grid folded 2x2.

Source:   CamVid as SegNet split it: 367 train, 101 val, 11 classes, 360x480.
Command:  python launch.py --config=configs/camvid_unet_cpu.py --config.data.root=DIR
Expected: 0.613 validation mIoU in 50 minutes on 2 cores (seed 0, see the README).
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
        train_ops="rescale(0.5) | scale(0.8, 1.6) | crop(160, 224) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="rescale(0.5) | normalize()",
        batch_size=4,
        workers=0,
        threads=2,
    )
    config.model = dict(name="unet", width=32, depth=4, patch=2)
    config.loss = dict(
        cross_entropy=dict(class_weights="median_frequency(clip=5, power=0.5)"),
        dice=dict(weight=1.0),
    )
    config.optim = dict(
        name="adamw",
        learning_rate=2e-3,
        schedule="cosine",
        warmup_steps=300,
        weight_decay=1e-3,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=5_600,  # 61 epochs
        log_every=50,
        eval_every=1_400,
        save_every=350,
        ema_decay=0.998,
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
