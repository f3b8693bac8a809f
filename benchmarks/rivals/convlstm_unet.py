"""ConvLSTM-U-Net in PyTorch: frames folded into the batch, a loop over the states."""

from segjax.core.names import Names


def make(num_outputs: int, width: int = 32, depth: int = 4):
    """The network of `segjax.models.convlstm_unet` with the same parameters.

    What does not wait for the frame before, the convolutions of the stages and those of
    the inputs of the cells, runs on all frames at once.
    """
    import torch
    from torch import nn

    class ConvLSTM(nn.Module):
        def __init__(self, features: int):
            super().__init__()
            self.features = features
            self.x = nn.Conv2d(features, 4 * features, 3, padding=1, bias=False)
            self.h = nn.Conv2d(features, 4 * features, 3, padding=1)

        def forward(self, x, frames: int):
            """The states of all frames; `x` and they are `(T B, F, H, W)`."""
            gates = self.x(x).chunk(frames)
            h = torch.zeros_like(gates[0][:, : self.features])
            c = torch.zeros_like(h, dtype=torch.float32)
            states = []
            for gate in gates:
                i, g, f, o = (gate + self.h(h)).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
                states.append(h)
            return torch.cat(states)

    def twice(before: int, after: int):
        layers = []
        for channels in (before, after):
            layers += [nn.Conv2d(channels, after, 3, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class ConvLSTMUNet(nn.Module):
        def __init__(self):
            super().__init__()
            n = [width * 2**level for level in range(depth + 1)]
            self.down = nn.ModuleList(map(twice, [3, *n[:-1]], n))
            self.down_memory = nn.ModuleList(map(ConvLSTM, n[:-1]))
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(2 * m, m, 2, stride=2) for m in n[:-1]
            )
            self.up = nn.ModuleList(twice(2 * m, m) for m in n[:-1])
            self.up_memory = nn.ModuleList(map(ConvLSTM, n[:-1]))
            self.head = nn.Conv2d(width, num_outputs, 1)

        def forward(self, clip):
            """`(B, T, C, H, W)` to the logits of the last frame."""
            B, T = clip.shape[:2]
            x = clip.transpose(0, 1).flatten(0, 1)  # frame by frame
            x = x.contiguous(memory_format=torch.channels_last)
            skips = []
            for level in range(depth):
                x = self.down_memory[level](self.down[level](x), T)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[depth](x)
            for level in reversed(range(depth)):
                x = torch.cat([skips[level], self.grow[level](x)], dim=1)
                x = self.up_memory[level](self.up[level](x), T)
            return self.head(x[-B:])

    return ConvLSTMUNet()


def names(width: int = 32, depth: int = 4) -> Names:
    """What its arrays are called in segjax."""
    del width
    stages = (
        (rf"down\.{depth}\.{{}}", r"bottom/{}"),
        (r"down\.(\d)\.{}", r"down\1/{}"),
        (r"up\.(\d)\.{}", r"up\1/{}"),
    )
    layers = ((0, "conv1"), (1, "norm1"), (3, "conv2"), (4, "norm2"))
    return Names(
        project="plain",
        modules=(
            *(
                (there.format(i), here.format(layer))
                for there, here in stages
                for i, layer in layers
            ),
            (r"(down|up)_memory\.(\d)\.x\.weight", r"\1\2_memory/input_kernel"),
            (r"(down|up)_memory\.(\d)\.h\.weight", r"\1\2_memory/state_kernel"),
            (r"(down|up)_memory\.(\d)\.h\.bias", r"\1\2_memory/bias"),
            (r"grow\.(\d)", r"up\1_grow"),
            (r"head", "head"),
        ),
        kinds=((r"grow\.\d\.weight", "transposed"),),
    )
