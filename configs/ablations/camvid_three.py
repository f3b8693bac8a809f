"""U-Net, SegNet or DeepLabV3+ on CamVid, in four minutes a run on 2 CPU cores?

Source:   Ronneberger et al. 2015, arXiv 1505.04597; Badrinarayanan et al. 2015,
          1511.00561; Chen et al. 2018, 1802.02611. All from random weights, small.
Command:  python launch.py --config=configs/ablations/camvid_three.py --sweep \
          --config.data.root=DIR
Answer:   DeepLabV3+: 38.9 % validation mIoU (95 % CI 35.9 to 41.8), 11 points above
          U-Net and SegNet (27.7 both), not told apart (CI -3.4 to 3.4).
          Three seeds, commit fa6fd8c, two to four minutes a run. Of one clip alone.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../camvid_unet_cpu.py").get_config()
    config.input.train_ops = (
        "rescale(0.5) | scale(0.8, 1.6) | crop(128, 160) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()"
    )
    config.model.width = 24
    config.optim.learning_rate = 3e-3
    config.optim.warmup_steps = 50
    config.train = dict(
        num_steps=800, log_every=25, eval_every=400, save_every=200, ema_decay=0.99
    )
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    segnet = dict(name="segnet", widths=(16, 32, 64, 128), convolutions=(1, 1, 2, 2))
    deeplab = dict(
        name="deeplab_v3plus",
        backbone="mobilenet_v2",
        features=64,
        low_features=24,
        rates=(2, 4, 6),  # the features of a crop are 8x10
        separable=True,
        dropout=0.1,
    )
    return sweep.product(
        sweep.seeds(3),
        sweep.arms(
            {"unet": {}, "segnet": {"model": segnet}, "deeplab": {"model": deeplab}}
        ),
    )
