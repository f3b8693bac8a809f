"""ConvLSTM-U-Net on clips of Cityscapes: four frames that end at the labelled one.

Source:   Shukla 2023, section 4.2 (ConvLSTM in encoder and decoder blocks); clips from
          leftImg8bit_sequence, see BUILD.md. From an image U-Net of width 32:
          --config.init_from=RUN --config.init_allow="('_memory/',)"
Command:  python launch.py --config=configs/cityscapes_convlstm.py
          --config.data.root=DIR; --config.data.frames=1 is the same without a past.
Expected: not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="cityscapes",
        root="data/cityscapes",
        train_split="train",
        val_split="val",
        frames=4,
        every=2,
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(512, 768, max_share=0.75) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=8,
        workers=8,
        threads=2,
    )
    config.model = dict(
        name="convlstm_unet",
        width=32,
        depth=4,
        recurrent=("down2", "down3", "up3", "up2"),  # the finer ones cost most memory
        residual=True,
        remat=True,
        dtype="bfloat16",
    )
    config.loss = dict(cross_entropy=dict(weight=1.0))
    config.optim = dict(
        name="adamw",
        learning_rate=5e-4,
        schedule="poly",
        warmup_steps=1_000,
        weight_decay=0.01,
        clip_norm=1.0,  # through time gradients can grow
    )
    config.train = dict(
        num_steps=80_000, log_every=50, eval_every=8_000, save_every=2_000
    )
    config.evaluate = dict(batch_size=2, convention="cityscapes")
    return quick.answer(config, arg)
