"""U-Net, SegNet, DeepLabV3+ or FCN on CamVid, at one budget of operations?

Source:   Ronneberger et al. 2015, arXiv 1505.04597; Badrinarayanan et al. 2015,
          1511.00561; Chen et al. 2018, 1802.02611; Long et al. 2015, 1411.4038.
Command:  python launch.py --config=configs/ablations/architecture.py --sweep \
          --config.data.root=DIR
Budget:   1.33 to 1.40 GMAC a crop of 160x224, by width. Parameters: U-Net 6,829,934,
          SegNet 1,846,571, DeepLabV3+ 7,114,027, FCN 3,940,801.
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../camvid_unet_cpu.py").get_config()
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    segnet = dict(
        name="segnet", widths=(16, 32, 64, 128, 128), convolutions=(2, 2, 3, 3, 3)
    )
    deeplab = dict(
        name="deeplab_v3plus",
        backbone="resnet18",
        backbone_width=0.75,
        features=64,
        low_features=24,
        rates=(2, 4, 6),
    )
    models = {
        "unet": dict(name="unet", width=30, depth=4, patch=2),
        "segnet": segnet,
        "deeplab": deeplab,
        "fcn": dict(name="fcn", backbone="vgg11_bn", backbone_width=0.5, fc_width=128),
    }
    return sweep.product(
        sweep.seeds(3), sweep.arms({k: {"model": v} for k, v in models.items()})
    )
