"""The sections of a config that are settings of segjax itself, with their defaults."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Input:
    """How files become batches.

    Attributes:
      train_ops: op string of training, from the file to the network.
      eval_ops: op string of evaluation and prediction, on the image alone.
      batch_size: examples a step, over all devices and processes.
      workers: worker processes of the loader; 0 decodes in threads of this process.
      threads: threads a process.
      sampler: which examples come more often, a call of `data.sampling.SAMPLERS` such
        as `class_uniform(share=0.5)`; None for each once an epoch.
    """

    train_ops: str
    eval_ops: str = "normalize()"
    batch_size: int = 8
    workers: int = 0
    threads: int = 4
    sampler: str | None = None


@dataclasses.dataclass(frozen=True)
class Train:
    """How long to train and what to keep; durations in steps.

    Attributes:
      num_steps: length of the run.
      log_every: steps a log line.
      eval_every: steps between evaluations of the validation split.
      save_every: steps between checkpoints; each evaluation saves too.
      keep: newest checkpoints kept; the best one is kept apart.
      ema_decay: decay of the averaged weights that evaluation uses; 0 for none.
      aux_weight: of the loss of each auxiliary head, for models that have some.
      max_skipped_steps: non-finite updates in a row that end the run.
    """

    num_steps: int
    log_every: int = 20
    eval_every: int = 500
    save_every: int = 500
    keep: int = 2
    ema_decay: float = 0.0
    aux_weight: float = 0.4
    max_skipped_steps: int = 10


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """How a split is scored.

    Attributes:
      batch_size: images or windows a step, rounded up to the devices of a process.
      convention: what mean scores do with absent classes; see `metrics.scores`.
      threshold: of the foreground probability; task `binary` only.
      pictures: rows in each picture of examples.
      protocol: how an image is shown to the network, such as `whole()` or
        `slide(512, 1024) | flip()`; see `predict.protocol`.
      postprocess: what is done to a prediction before it is scored or shown, an op
        string of `postprocess.STEPS` such as `median(3) | components(64)`; empty for
        nothing. While a run trains, it is validated without.
      measures: what is measured besides, an op string of `metrics.measures.MEASURES`
        such as `probabilities() | boundary(2)`; empty for nothing.
    """

    batch_size: int = 8
    convention: str = "union"
    threshold: float = 0.5
    pictures: int = 4
    protocol: str = "whole()"
    postprocess: str = ""
    measures: str = ""


@dataclasses.dataclass(frozen=True)
class Audit:
    """How the data are looked at when a run starts; see `data.audit.start`.

    Attributes:
      depth: `full`, `masks` (the masks and the heads of the images) or `off` (that the
        labels hold classes and have the size of their images).
      leaks: `refuse` images of equal content in both splits, or `warn` of them.
    """

    depth: str = "full"
    leaks: str = "refuse"
