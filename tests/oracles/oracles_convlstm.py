"""ConvLSTM, alone and in a U-Net, against a loop in plain PyTorch."""

import flax.linen as nn
import jax.numpy as jnp

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


def _unet():
    import torch
    from torch import nn

    def twice(before, after):
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.ReLU()]
        return nn.Sequential(*layers)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            n = [WIDTH * 2**level for level in range(DEPTH + 1)]
            self.down = nn.ModuleList(map(twice, [3, *n[:-1]], n))
            self.down_memory = nn.ModuleList(_cell(m, m, False) for m in n[:-1])
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(2 * m, m, 2, stride=2) for m in n[:-1]
            )
            self.up = nn.ModuleList(twice(2 * m, m) for m in n[:-1])
            self.up_memory = nn.ModuleList(_cell(m, m, False) for m in n[:-1])
            self.head = nn.Conv2d(WIDTH, OUTPUTS, 1)

        def forward(self, frames):
            skips = []
            for level in range(DEPTH):
                frames = self.down_memory[level]([self.down[level](x) for x in frames])
                skips.append(frames)
                frames = [nn.functional.max_pool2d(x, 2) for x in frames]
            frames = [self.down[DEPTH](x) for x in frames]
            for level in reversed(range(DEPTH)):
                pairs = zip(skips[level], map(self.grow[level], frames), strict=True)
                frames = [self.up[level](torch.cat(pair, dim=1)) for pair in pairs]
                frames = self.up_memory[level](frames)
            return self.head(frames[-1])

    return Net()


def _frames(module, x):
    """The image, rolled on by a row a frame, as a list of frames."""
    import torch

    outputs = module([torch.roll(x, t, dims=2) for t in range(T)])
    return outputs if torch.is_tensor(outputs) else torch.cat(outputs)


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


def _names(cell: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Rules of a cell: its arrays have no module of their own in segjax."""
    return (
        (rf"{cell}x\.weight", rf"{ours}input_kernel"),
        (rf"{cell}h\.weight", rf"{ours}state_kernel"),
        (rf"{cell}h\.bias", rf"{ours}bias"),
        (rf"{cell}([ifo])", rf"{ours}peephole_\g<{1 + cell.count('(')}>"),
    )


def _alone(name: str, peepholes: bool) -> Oracle:
    return Oracle(
        name,
        ours=lambda: Alone(peepholes),
        theirs=lambda: _cell(3, FEATURES, peepholes),
        names=Names(project="plain", modules=_names("", "layer/")),
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
        theirs=_unet,
        names=Names(
            project="plain",
            modules=(
                (rf"down\.{DEPTH}\.0", "bottom/conv1"),
                (rf"down\.{DEPTH}\.1", "bottom/norm1"),
                (rf"down\.{DEPTH}\.3", "bottom/conv2"),
                (rf"down\.{DEPTH}\.4", "bottom/norm2"),
                (r"(down|up)\.(\d)\.0", r"\1\2/conv1"),
                (r"(down|up)\.(\d)\.1", r"\1\2/norm1"),
                (r"(down|up)\.(\d)\.3", r"\1\2/conv2"),
                (r"(down|up)\.(\d)\.4", r"\1\2/norm2"),
                *_names(r"(down|up)_memory\.(\d)\.", r"\1\2_memory/"),
                (r"grow\.(\d)", r"up\1_grow"),
                (r"head", "head"),
            ),
            kinds=((r"grow\.\d\.weight", "transposed"),),
        ),
        against="70 lines of PyTorch",
        shape=(2, 16, 24, 3),
        large=(2, 48, 64, 3),
        run=_frames,
        apply=_model,
        note=f"{T} frames, the last one's logits",
    ),
)
