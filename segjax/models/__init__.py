"""MODELS: architectures by name; one file each.

A model is a flax module `(x, train) -> logits`, float32, with the input's height and
width, and a property `stride` that both sides must divide by. Batch statistics live in
the collection `batch_stats`; a model with auxiliary heads sows their logits into the
collection `aux`, which only the train step asks for.
"""

from segjax.core.tables import Table
from segjax.models.segnet import SegNet
from segjax.models.unet import UNet
from segjax.models.valid_unet import ValidUNet

MODELS = Table(
    "model",
    {
        "segnet": SegNet,
        "unet": UNet,
        "valid_unet": ValidUNet,
    },
    given=("num_outputs",),
)
