"""ConvLSTM-U-Net on clips of the drawn street scenes, for two CPU cores.

Source:   Shukla 2023, section 4.2; no data needed.
Command:  python launch.py --config=configs/streets_convlstm.py
          --config.data.frames=1 is the same without a past.
Expected: 0.394 validation mIoU, without a past 0.383 (one seed, see the README).
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="streets", size=(96, 128), num_train=256, num_val=64, frames=3
    )
    config.input = dict(
        train_ops="crop(96, 128) | flip_lr() | color_jitter(0.2, 0.2, 0.2) "
        "| normalize()",
        eval_ops="normalize()",
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
        warmup_steps=30,
        weight_decay=1e-3,
        clip_norm=5.0,
    )
    config.train = dict(
        num_steps=300, log_every=50, eval_every=300, save_every=300, ema_decay=0.99
    )
    config.evaluate = dict(batch_size=4)
    return quick.answer(config, arg)
