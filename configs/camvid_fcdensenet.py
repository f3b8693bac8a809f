"""FC-DenseNet103 on CamVid from scratch: the first stage of its paper, for one GPU.

Source:   Jegou et al. 2016, arXiv 1611.09326: RMSprop 1e-3, x 0.995 an epoch of 122
          steps, crops of 224, flips, batch 3, weight decay 1e-4, dropout 0.2. The
          paper then trains on whole images with 1e-4 (`init_from` of this run) and
          evaluates with the statistics of the image: evaluation="batch_statistics".
Command:  python launch.py --config=configs/camvid_fcdensenet.py --config.data.root=DIR
Expected: not measured. The paper has 66.9 mIoU on the test split, both stages.
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
        train_ops="crop(224, 224) | flip_lr() | normalize()",
        eval_ops="normalize()",
        batch_size=3,
        workers=8,
        threads=2,
    )
    config.model = dict(
        name="fc_densenet",
        variant=103,
        evaluation="running_averages",
        dtype="bfloat16",
    )
    config.loss = dict(cross_entropy=dict(weight=1.0))
    config.optim = dict(
        name="rmsprop",
        learning_rate=1e-3,
        schedule="exponential",
        every=122,
        factor=0.995,
        weight_decay=1e-4,
    )
    config.train = dict(num_steps=91_500, log_every=50, eval_every=610, save_every=610)
    config.evaluate = dict(batch_size=1)
    return quick.answer(config, arg, model=dict(growth=2, layers=(1, 1, 1), first=4))
