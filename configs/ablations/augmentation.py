"""What does augmentation give on 64 drawn streets: none, flips, all, deformation?

Source:   Ronneberger et al. 2015, arXiv 1505.04597 (elastic deformation).
Command:  python launch.py --config=configs/ablations/augmentation.py --sweep
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    config.data.num_train = 64  # with many images there is less to gain
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    chains = {
        "none": "crop(128, 192)",
        "flip": "crop(128, 192) | flip_lr()",
        "full": "scale(0.8, 1.4) | crop(128, 192) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | blur()",
        "elastic": "elastic() | crop(128, 192) | flip_lr()",
    }
    field = "input.train_ops"
    return sweep.product(
        sweep.seeds(3),
        sweep.arms({k: {field: f"{v} | normalize()"} for k, v in chains.items()}),
    )
