"""SegNet on CamVid at full size, as its paper trains it, for one GPU.

Source:   Badrinarayanan et al. 2015, arXiv 1511.00561, section 4.1: SGD 0.1, momentum
          0.9, batch 12, median frequency balancing. The paper starts from ImageNet:
          --config.init_from=vgg16_bn.pth, see BUILD.md.
Command:  python launch.py --config=configs/camvid_segnet.py --config.data.root=DIR
Expected: not measured. The paper has 60.1 mIoU on the test split, pretrained.
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
        train_ops="flip_lr() | normalize()",
        eval_ops="normalize()",
        batch_size=12,
        workers=8,
        threads=2,
    )
    config.model = dict(name="segnet", dtype="bfloat16")
    config.loss = dict(cross_entropy=dict(class_weights="median_frequency()"))
    config.optim = dict(
        name="sgd", learning_rate=0.1, schedule="constant", momentum=0.9
    )
    config.train = dict(num_steps=20_000, log_every=50, eval_every=500, save_every=500)
    config.evaluate = dict(batch_size=4)
    return quick.answer(
        config, arg, model=dict(widths=(4, 6, 8), convolutions=(2, 1, 1))
    )
