"""Which weights of the classes in the cross-entropy serve rare classes best?

Source:   Eigen & Fergus 2015, arXiv 1411.4734 (median frequency); Cui et al. 2019,
          1901.05555 (effective number).
Command:  python launch.py --config=configs/ablations/class_weighting.py --sweep
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    config.loss = dict(cross_entropy=dict(weight=1.0))  # a Dice term evens out, too
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    rules = ("median_frequency", "inverse_frequency", "effective_number")
    field = "loss.cross_entropy.class_weights"
    return sweep.product(
        sweep.seeds(3),
        sweep.arms({"none": {}, **{rule: {field: f"{rule}()"} for rule in rules}}),
    )
