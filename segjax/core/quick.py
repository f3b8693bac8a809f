"""`--config=FILE:quick`: the same experiment in seconds, to see that it runs.

The data become the embedded `streets` (all files of a real data set are left alone;
clips stay clips, and a binary task tells the road from the rest),
the model is narrow and takes two steps; every other choice of the config stays.

Whatever stands behind the colon, the fields that say where the first weights come from,
what is frozen, how the data are audited and by which protocol images are predicted are
open to overrides: `--config.init_from=RUN`.
"""

from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from segjax.core.errors import UserError


def answer(
    config: ConfigDict, arg: str, model: dict[str, Any] | None = None
) -> ConfigDict:
    """The config for the part of `--config=FILE:arg` behind the colon.

    Args:
      config: the whole experiment.
      arg: "" or "quick".
      model: fields of the model section that make it narrow; by default `width=4`.

    Raises:
      UserError: `arg` is neither empty nor `quick`.
    """
    _open(config)
    if arg == "":
        return config
    if arg != "quick":
        raise UserError(
            f"--config=...:{arg}: no such variant. Known: quick. Write "
            "--config=FILE:quick, or --config=FILE for the whole experiment."
        )
    frames, binary = config.data.get("frames", 1), config.task == "binary"
    config.data = dict(name="streets", size=(96, 128), num_train=4, num_val=3)
    if frames > 1:
        config.data.frames = frames
    if binary:
        config.data.only = "road"
    normalize = config.input.train_ops.rpartition("|")[2].strip()
    config.input.train_ops = f"crop(64, 64) | flip_lr() | {normalize}"
    config.input.batch_size = 2
    config.input.workers = 0
    config.model.update({"width": 4} if model is None else model)
    config.optim.warmup_steps = 0
    config.train.num_steps = 2
    config.train.log_every = 1
    config.train.eval_every = 2
    config.train.save_every = 2
    config.evaluate.batch_size = 2
    return config


def _open(config: ConfigDict) -> None:
    """Give the fields that a command line may set, where the config does not."""
    if "audit" not in config:
        config.audit = dict(depth="full", leaks="refuse")
    if "evaluate" not in config:
        config.evaluate = dict()
    if "init_from" not in config:
        config.init_from = placeholder(str)
    for section, field, empty in (
        (config, "init_allow", ()),
        (config, "init_under", ""),
        (config.optim, "freeze", ()),
        (config.evaluate, "protocol", "whole()"),
        (config.evaluate, "postprocess", ""),
    ):
        if field not in section:
            section[field] = empty
