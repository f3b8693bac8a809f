"""The one path from images to classes: the function that goes by a protocol."""

from collections.abc import Callable

from segjax.core.network import Network
from segjax.core.shapes import Array
from segjax.predict.augmented import make_augmented
from segjax.predict.decide import Judge
from segjax.predict.protocol import Protocol
from segjax.predict.ways import Whole
from segjax.predict.whole import LossFn, PredictFn, make_predict
from segjax.predict.windowed import make_windowed


def make(
    model: Network,
    protocol: Protocol,
    *,
    normalize: Callable[[Array], Array],
    judge: Judge,
    batch_size: int,
    task: str,
    loss: LossFn | None = None,
) -> PredictFn:
    """The function `(variables, examples) -> predictions` of a protocol.

    See `whole.make_predict` for what goes in and out.

    Args:
      model: the network.
      protocol: how it goes over an image.
      normalize: from pixels to what the model takes.
      judge: what is made of logits and labels.
      batch_size: images, or windows, a step.
      task: `multiclass` or `binary`.
      loss: computed of each image by `whole()` alone; the loss of any other protocol,
        which has no logits of a whole image at one look, is nan.
    """
    same = {"normalize": normalize, "judge": judge, "batch_size": batch_size}
    if not isinstance(protocol.way, Whole):
        return make_windowed(model, protocol, task=task, **same)
    if len(protocol.looks) > 1 or protocol.factors != (1,):
        return make_augmented(model, protocol, task=task, **same)
    return make_predict(model, loss=loss, **same)
