"""Which loss is best on drawn streets: cross-entropy, Dice, IoU, or two together?

Source:   Milletari et al. 2016, arXiv 1606.04797 (Dice); Rahman & Wang 2016 (IoU).
Command:  python launch.py --config=configs/ablations/loss.py --sweep
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    ce = dict(class_weights="median_frequency(clip=5, power=0.5)")
    one = dict(weight=1.0)
    return sweep.product(
        sweep.seeds(3),
        sweep.arms(
            {
                "ce": {"loss": dict(cross_entropy=ce)},
                "dice": {"loss": dict(dice=one)},
                "iou": {"loss": dict(iou=one)},
                "ce_dice": {"loss": dict(cross_entropy=ce, dice=one)},
                "ce_iou": {"loss": dict(cross_entropy=ce, iou=one)},
            }
        ),
    )
