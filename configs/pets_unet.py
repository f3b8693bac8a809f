"""The lecture slides' U-Net on the Oxford pets: pet against background, for one GPU.

Source:   Parkhi et al. 2012; the slides' layer table, 6,667,639 parameters, 256x256, no
          norm; RMSprop, binary cross-entropy, batch 32, 30 epochs of 104 steps. The
          slides print two more runs: 25 epochs, and 40 of batch 64.
Command:  python launch.py --config=configs/pets_unet.py --config.data.root=DIR
Expected: not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "binary"
    config.data = dict(name="oxford_pet", root="data/oxford_pet", classes="binary")
    config.input = dict(
        train_ops="resize(256, 256) | flip_lr() | normalize()",
        eval_ops="resize(256, 256) | normalize()",
        batch_size=32,
        workers=8,
        threads=2,
    )
    config.model = dict(
        name="unet",
        widths=(8, 16, 32, 64, 128, 256, 512),
        up_widths=(64, 32, 16, 8, 4, 2),
        decoder_widths=(256, 128, 64, 32, 16, 16),
        norm="none",
    )
    config.loss = dict(binary_cross_entropy=dict(weight=1.0))
    config.optim = dict(name="rmsprop", learning_rate=1e-3, schedule="constant")
    config.train = dict(num_steps=3_120, log_every=20, eval_every=312, save_every=312)
    config.evaluate = dict(batch_size=32)
    return quick.answer(
        config, arg, model=dict(widths=(4, 8), up_widths=(4,), decoder_widths=(4,))
    )
