"""SegFormer against transformers."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models import backbones
from segjax.models.backbones.mit import TRANSFORMERS
from segjax.models.segformer import SegFormer
from tests.oracles.harness import Oracle

OUTPUTS = 19
SIZES = {  # name -> channels of the first stage, blocks, channels of the decoder
    "b0": (32, (2, 2, 2, 2), 256),
    "b1": (64, (2, 2, 2, 2), 256),
    "b2": (64, (3, 4, 6, 3), 768),
}


def theirs(size: str):
    """transformers' model of a size, made from a config alone."""
    with_torchvision()
    import transformers

    first, blocks, decoder = SIZES[size]
    config = transformers.SegformerConfig(
        num_labels=OUTPUTS,
        hidden_sizes=[first * heads for heads in (1, 2, 5, 8)],
        depths=list(blocks),
        decoder_hidden_size=decoder,
    )
    return transformers.SegformerForSemanticSegmentation(config)


def logits(module, x):
    """A quarter of the size, enlarged as transformers does before its loss."""
    import torch

    return torch.nn.functional.interpolate(
        module(x).logits, size=x.shape[-2:], mode="bilinear", align_corners=False
    )


def _features(module, x):
    states = module.segformer(x, output_hidden_states=True).hidden_states
    return dict(zip((4, 8, 16, 32), states, strict=True))


def _names(model: SegFormer) -> Names:
    return model.foreign[0]


ORACLES = (
    Oracle(
        "segformer_b0_transformers",
        ours=lambda: SegFormer(num_outputs=OUTPUTS),
        theirs=lambda: theirs("b0"),
        names=_names(SegFormer(num_outputs=OUTPUTS)),
        against="transformers",
        run=logits,
    ),
    Oracle(
        "mit_b2_transformers",
        ours=lambda: backbones.make("mit_b2"),
        theirs=lambda: theirs("b2"),
        names=TRANSFORMERS,
        against="transformers",
        run=_features,
        slow=True,
    ),
)
