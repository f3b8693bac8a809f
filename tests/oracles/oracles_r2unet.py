"""R2U-Net in both its forms against plain PyTorch."""

from segjax.core.names import Names
from segjax.models.r2unet import R2UNet
from tests.oracles.harness import Oracle

OUTPUTS, WIDTH, STEPS = 3, 4, 2


def _theirs(tied: bool):
    import torch
    from torch import nn

    class Tied(nn.Module):
        def __init__(self, n: int):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n)

        def forward(self, x):
            state = self.norm(self.conv(x)).relu()
            for _ in range(STEPS):
                state = self.norm(self.conv(x + state)).relu()
            return state

    class Apart(nn.Module):
        def __init__(self, n: int):
            super().__init__()
            self.fore = nn.Conv2d(n, n, 3, padding=1)
            self.back = nn.Conv2d(n, n, 3, padding=1, bias=False)
            self.norms = nn.ModuleList(nn.BatchNorm2d(n) for _ in range(STEPS + 1))

        def forward(self, x):
            state = self.norms[0](self.fore(x)).relu()
            for norm in self.norms[1:]:
                state = norm(self.fore(x) + self.back(state)).relu()
            return state

    class Unit(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            recurrent = Tied if tied else Apart
            self.project = nn.Conv2d(before, after, 1)
            self.first, self.second = recurrent(after), recurrent(after)

        def forward(self, x):
            x = self.project(x)
            return x + self.second(self.first(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = Unit(3, WIDTH)
            self.bottom = Unit(WIDTH, 2 * WIDTH)
            self.grow = nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1)
            self.grow_norm = nn.BatchNorm2d(WIDTH)
            self.up = Unit(2 * WIDTH, WIDTH)
            self.head = nn.Conv2d(WIDTH, OUTPUTS, 1)

        def forward(self, x):
            skip = self.down(x)
            x = self.bottom(nn.functional.max_pool2d(skip, 2))
            x = nn.functional.interpolate(x, scale_factor=2)
            x = self.grow_norm(self.grow(x)).relu()
            return self.head(self.up(torch.cat([skip, x], dim=1)))

    return Net()


def _names() -> Names:
    """Of a depth of 1."""
    rules = [
        (r"grow", "up0_grow/conv"),
        (r"grow_norm", "up0_grow/norm"),
        (r"head", "head"),
    ]
    for theirs, ours in (("down", "down0"), ("bottom", "bottom"), ("up", "up0")):
        rules.append((rf"{theirs}\.project", f"{ours}/project"))
        for name, i in (("first", 1), ("second", 2)):
            there, here = rf"{theirs}\.{name}", f"{ours}/recurrent{i}"
            rules += [
                (rf"{there}\.(conv|norm)", rf"{here}/conv/\1"),
                (rf"{there}\.fore", f"{here}/forward"),
                (rf"{there}\.back", f"{here}/back"),
                (rf"{there}\.norms\.(\d)", rf"{here}/norm\1"),
            ]
    return Names(project="plain", modules=tuple(rules))


ORACLES = tuple(
    Oracle(
        f"r2unet{'_tied' if tied else ''}_plain",
        ours=lambda tied=tied: R2UNet(
            num_outputs=OUTPUTS, width=WIDTH, depth=1, steps=STEPS, tied=tied
        ),
        theirs=lambda tied=tied: _theirs(tied),
        names=_names(),
        against="60 lines of PyTorch",
        shape=(2, 16, 24, 3),
        large=(2, 32, 48, 3),
    )
    for tied in (False, True)
)
