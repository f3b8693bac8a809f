"""ConvLSTM-U-Net on clips of CamVid, for two CPU cores: three frames, a second apart.

Source:   Shukla 2023, section 4.2; CamVid as SegNet split it, at half resolution.
Command:  python launch.py --config=configs/camvid_convlstm_cpu.py \
          --config.data.root=DIR
          --config.data.frames=1 is the same without a past.
Expected: 0.361 validation mIoU; 0.344 with frames=1 (seed 0, commit 95ca46d, two Intel
          cores, 19 and 7 minutes beside other work). One training each: it says
          that these two networks differ, not that clips are better.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(name="camvid", root="data/camvid", frames=3, every=30)
    config.input = dict(
        train_ops="rescale(0.5) | scale(0.8, 1.6) | crop(128, 160) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="rescale(0.5) | normalize()",
        batch_size=4,
        workers=0,
        threads=2,
    )
    config.model = dict(name="convlstm_unet", width=8, depth=4, residual=True)
    config.loss = dict(
        cross_entropy=dict(class_weights="median_frequency(clip=5, power=0.5)"),
        dice=dict(weight=1.0),
    )
    config.optim = dict(
        name="adamw",
        learning_rate=3e-3,
        schedule="cosine",
        warmup_steps=60,
        weight_decay=1e-3,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=1_200, log_every=50, eval_every=1_200, save_every=300, ema_decay=0.99
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
