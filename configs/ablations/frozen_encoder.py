"""Is a pretrained encoder better kept as it is, or trained on?

Source:   Yosinski et al., How transferable are features, 2014, arXiv 1411.1792.
Command:  python launch.py --config=configs/ablations/frozen_encoder.py --sweep \
          --config.data.root=DIR --config.init_from=resnet18.pth
          The weights are torchvision's; a run of segjax is taken as well.
Answer:   not measured. `frozen` keeps batch norm's statistics, too; `statistics` keeps
          these alone.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../camvid_unet_cpu.py").get_config()
    config.model = dict(name="backbone_unet", backbone="resnet18")
    config.train.num_steps = 1_400
    if arg != "quick":  # a frozen encoder of random weights would be no answer
        config.init_from = "resnet18.pth"
    return quick.answer(config, arg, model=dict(backbone_width=0.125))


def get_sweep() -> sweep.Sweep:
    freeze = {
        "trained": (),
        "frozen": ("^backbone/",),
        "statistics": ("^backbone/.*/(mean|var)$",),
    }
    return sweep.product(
        sweep.seeds(3), sweep.arms({k: {"optim.freeze": v} for k, v in freeze.items()})
    )
