"""U-Net on Cityscapes, half-size crops, for one GPU or several.

Source:   Cordts et al. 2016, arXiv 1604.01685: 2975 train, 500 val, 19 classes.
Command:  python launch.py --config=configs/cityscapes_unet.py --config.data.root=DIR
Expected: not measured. A U-Net from scratch, 160,000 steps of batch 16, has 69.1 mIoU
          in mmsegmentation's table.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="cityscapes", root="data/cityscapes", train_split="train", val_split="val"
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(512, 1024) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=16,
        workers=8,
        threads=2,
    )
    config.model = dict(name="unet", width=64, depth=4, dtype="bfloat16")
    config.loss = dict(cross_entropy=dict(weight=1.0))
    config.optim = dict(
        name="sgd",
        learning_rate=1e-2,
        schedule="poly",
        warmup_steps=1_000,
        momentum=0.9,
        weight_decay=5e-4,
    )
    config.train = dict(
        num_steps=160_000,
        log_every=50,
        eval_every=8_000,
        save_every=2_000,
        ema_decay=0.999,
    )
    config.evaluate = dict(batch_size=2, convention="cityscapes")
    return quick.answer(config, arg)
