"""DeepLabV3+ with ResNet-50 on Cityscapes, for several GPUs.

Source:   Chen et al. 2018, arXiv 1802.02611; schedule of mmsegmentation's 80k run. From
          ImageNet weights: --config.init_from=resnet50.pth, see BUILD.md.
Command:  python launch.py --config=configs/cityscapes_deeplab.py --config.data.root=DIR
Expected: not measured. mmsegmentation has 80.1 mIoU with ImageNet weights.
"""

from ml_collections import ConfigDict

from segjax.core import quick


def get_config(arg: str = "") -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.task = "multiclass"
    config.data = dict(
        name="cityscapes", root="data/cityscapes", train_split="train", val_split="val"
    )
    config.input = dict(
        train_ops="scale(0.5, 2.0) | crop(512, 1024, max_share=0.75) | flip_lr() "
        "| color_jitter(0.3, 0.3, 0.3) | normalize()",
        eval_ops="normalize()",
        batch_size=8,
        workers=8,
        threads=2,
    )
    config.model = dict(
        name="deeplab_v3plus",
        backbone="resnet50",
        output_stride=8,
        aux_head=True,
        dtype="bfloat16",
    )
    config.loss = dict(cross_entropy=dict(weight=1.0))
    config.optim = dict(
        name="sgd", learning_rate=1e-2, schedule="poly", momentum=0.9, weight_decay=5e-4
    )
    config.train = dict(
        num_steps=80_000,
        log_every=50,
        eval_every=8_000,
        save_every=2_000,
        aux_weight=0.4,
    )
    config.evaluate = dict(batch_size=2, convention="cityscapes")
    return quick.answer(
        config,
        arg,
        model=dict(
            backbone="resnet18", backbone_width=0.125, features=8, low_features=4
        ),
    )
