"""U-Net on your own pictures: a folder of images, one of masks, a class table.

Layout:   ROOT/images/a.jpg, ROOT/masks/a.png, ROOT/classes.txt with a line a class:
          "0 background", "1 road", "255 ignore"; see BUILD.md for colours and others.
Command:  python launch.py --config=configs/folder_unet.py --config.data.root=ROOT
Expected: depends on your data; `segjax inspect` shows what segjax reads of it.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict(dict(seed=0, task="multiclass"))
    config.data = dict(
        name="folder",
        root="data/folder",
        train_split="train",
        val_split="val",
        classes=(),  # names in the order of their ids; () reads classes.txt
        values=(),  # the number in the masks of each class; () is 0, 1, 2, ...
        ignore=(),  # the numbers in the masks that are no class
        threshold=placeholder(int),  # two classes in masks with soft edges: 128
        images="",  # patterns for another layout: "Image/{name}"
        masks="",
        skip=(),  # names to leave out
        val_share=0.1,
        channels=3,  # of the images; with another number or depth use normalize('data')
        depth="uint8",  # or "uint16", "float32"
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(256, 256) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=8,
        workers=0,
        threads=4,
    )
    config.model = dict(name="unet", width=32, depth=4)
    config.loss = dict(cross_entropy=dict(weight=1.0), dice=dict(weight=1.0))
    config.optim = dict(
        name="adamw",
        learning_rate=1e-3,
        schedule="poly",
        warmup_steps=100,
        weight_decay=1e-2,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=5_000,
        log_every=20,
        eval_every=500,
        save_every=250,
        ema_decay=0.999,
    )
    config.evaluate = dict(batch_size=1)
    return quick.answer(config, arg)
