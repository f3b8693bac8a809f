"""SegNet on Cityscapes from scratch, for one GPU or several.

Source:   Badrinarayanan et al. 2015, arXiv 1511.00561; 512x1024 crops.
Command:  python launch.py --config=configs/cityscapes_segnet.py --config.data.root=DIR
Expected: not measured. From scratch and 800 epochs long, zh320's table has 70.8 mIoU.
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
        train_ops="scale(0.5, 2.0) | crop(512, 1024, max_share=0.75) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=16,
        workers=8,
        threads=2,
    )
    config.model = dict(name="segnet", dtype="bfloat16")
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
    return quick.answer(
        config, arg, model=dict(widths=(4, 6, 8), convolutions=(2, 1, 1))
    )
