"""What does each step behind a U-Net give on drawn streets, alone and together?

The arms share one training a seed, and are scored on the split on which steps are to be
chosen; see docs/postprocess.md.

Source:   Kraehenbuehl & Koltun 2011, arXiv 1210.5644 (crf); He et al. 2010 (guided).
Command:  python launch.py --config=configs/ablations/postprocess.py --sweep
Answer:   on 64 drawn scenes, 3 seeds of 600 steps on two CPU cores, none is told
          from no step by Holm's rule over 8 pairs. Points of mean IoU above 48.1,
          95 % intervals: split_merge 1.6 (0.3 to 3.0), crf 1.5 (0.1 to 2.9), crf and
          components 1.4 (-0.1 to 2.9), guided 1.1 (-0.2 to 2.3), gaussian and mode 0.3,
          holes and components 0.1. Commits 7a26ad0 to ec75520.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    config.data.num_val = 64  # steps move little, so the interval must be narrow
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    crf = "crf(smoothness=0, appearance=2, appearance_px=10, appearance_colour=10)"
    steps = {
        "none": "",
        "gaussian": "gaussian(0.7)",
        "mode": "mode(3)",
        "components": "components(8)",
        "holes": "holes(20)",
        "guided": "guided(2, eps=0.0001)",
        "split_merge": "split_merge(8, min_size=4)",
        "crf": crf,
        "crf_components": f"{crf} | components(8)",
    }
    field = "evaluate.postprocess"
    return sweep.product(
        sweep.seeds(3), sweep.arms({k: {field: v} for k, v in steps.items()})
    )
