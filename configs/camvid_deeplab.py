"""DeepLabV3+ with ResNet-50 on CamVid at full size, for one GPU.

Source:   Chen et al. 2018, arXiv 1802.02611. From ImageNet weights, which the papers
          take: --config.init_from=resnet50.pth, see BUILD.md.
Command:  python launch.py --config=configs/camvid_deeplab.py --config.data.root=DIR
Expected: not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="camvid", root="data/camvid", train_split="train", val_split="val"
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(352, 480) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=16,
        workers=8,
        threads=2,
    )
    config.model = dict(
        name="deeplab_v3plus", backbone="resnet50", output_stride=16, dtype="bfloat16"
    )
    config.loss = dict(cross_entropy=dict(weight=1.0))
    config.optim = dict(
        name="sgd",
        learning_rate=1e-2,
        schedule="poly",
        warmup_steps=200,
        momentum=0.9,
        weight_decay=1e-4,
    )
    config.train = dict(
        num_steps=8_000, log_every=50, eval_every=500, save_every=500, ema_decay=0.999
    )
    config.evaluate = dict(batch_size=8)
    return quick.answer(
        config,
        arg,
        model=dict(
            backbone="resnet18", backbone_width=0.125, features=8, low_features=4
        ),
    )
