"""ConvLSTM, alone and in a U-Net, against a loop in plain PyTorch."""

import flax.linen as nn
import jax.numpy as jnp

from benchmarks.rivals import convlstm_unet
from segjax.core.names import Names
from segjax.models.convlstm_unet import ConvLSTMUNet
from segjax.nn.convlstm import ConvLSTM
from tests.oracles.harness import Oracle

FEATURES, WIDTH, DEPTH, OUTPUTS, T = 6, 4, 2, 3, 4


def _cell(before: int, features: int, peepholes: bool):
    import torch
    from torch import nn

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Conv2d(before, 4 * features, 3, padding=1, bias=False)
            self.h = nn.Conv2d(features, 4 * features, 3, padding=1)
            if peepholes:
                for gate in "ifo":
                    setattr(self, gate, nn.Parameter(torch.zeros(features)))

        def forward(self, frames):
            c = h = torch.zeros(len(frames[0]), features, *frames[0].shape[2:])
            outputs = []
            for frame in frames:
                i, g, f, o = (self.x(frame) + self.h(h)).chunk(4, dim=1)
                if peepholes:
                    i = i + self.i[:, None, None] * c
                    f = f + self.f[:, None, None] * c
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                if peepholes:
                    o = o + self.o[:, None, None] * c
                h = torch.sigmoid(o) * torch.tanh(c)
                outputs.append(h)
            return outputs

    return Cell()


def _frames(module, x):
    """The image, rolled on by a row a frame, as a list of frames."""
    import torch

    return torch.cat(module([torch.roll(x, t, dims=2) for t in range(T)]))


def _stacked(module, x):
    """The same frames as a clip."""
    import torch

    return module(torch.stack([torch.roll(x, t, dims=2) for t in range(T)], dim=1))


def _clip(x):
    return jnp.stack([jnp.roll(x, t, axis=1) for t in range(T)], axis=1)


class Alone(nn.Module):
    """The layer on the rolled image; its states, frame by frame."""

    peepholes: bool

    @nn.compact
    def __call__(self, x, train: bool = False):
        layer = ConvLSTM(FEATURES, peepholes=self.peepholes, name="layer")
        outputs, _ = layer(_clip(x))
        return outputs.swapaxes(0, 1).reshape(-1, *outputs.shape[2:])


def _model(model, variables, x):
    return model.apply(variables, _clip(x))


NAMES = Names(
    project="plain",
    modules=(
        (r"x\.weight", "layer/input_kernel"),
        (r"h\.weight", "layer/state_kernel"),
        (r"h\.bias", "layer/bias"),
        (r"([ifo])", r"layer/peephole_\1"),
    ),
)
"""Of a cell: its arrays have no module of their own in segjax."""


def _alone(name: str, peepholes: bool) -> Oracle:
    return Oracle(
        name,
        ours=lambda: Alone(peepholes),
        theirs=lambda: _cell(3, FEATURES, peepholes),
        names=NAMES,
        against="a loop in PyTorch",
        shape=(2, 16, 12, 3),
        large=(2, 48, 64, 3),
        run=_frames,
        note=f"{T} frames",
    )


ORACLES = (
    _alone("convlstm_plain", peepholes=False),
    _alone("convlstm_peepholes_plain", peepholes=True),
    Oracle(
        "convlstm_unet_plain",
        ours=lambda: ConvLSTMUNet(num_outputs=OUTPUTS, width=WIDTH, depth=DEPTH),
        theirs=lambda: convlstm_unet.make(OUTPUTS, WIDTH, DEPTH),
        names=convlstm_unet.names(WIDTH, DEPTH),
        against="70 lines of PyTorch",
        shape=(2, 16, 24, 3),
        large=(2, 48, 64, 3),
        run=_stacked,
        apply=_model,
        note=f"{T} frames, the last one's logits",
    ),
)
