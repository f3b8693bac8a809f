"""Is a U-Net on drawn streets better wide or deep?

Source:   Ronneberger et al. 2015, arXiv 1505.04597: width 64, depth 4.
Command:  python launch.py --config=configs/ablations/width_depth.py --sweep
          --sweep=width and --sweep=depth each move one of the two alone.
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    sizes = {"model.width": (8, 16, 32), "model.depth": (2, 3, 4)}
    return sweep.product(sweep.seeds(3), sweep.grid(sizes))


def get_sweep_width() -> sweep.Sweep:
    return sweep.product(sweep.seeds(3), sweep.over("model.width", (8, 16, 32)))


def get_sweep_depth() -> sweep.Sweep:
    return sweep.product(sweep.seeds(3), sweep.over("model.depth", (2, 3, 4)))
