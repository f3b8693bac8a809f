"""The U-Net of the figure against thirty plain lines of PyTorch."""

from benchmarks.rivals import unet
from segjax.models.unet import UNet
from tests.oracles.harness import Oracle

WIDTH, DEPTH, OUTPUTS = 6, 3, 5


ORACLES = (
    Oracle(
        "unet_plain",
        ours=lambda: UNet(num_outputs=OUTPUTS, width=WIDTH, depth=DEPTH),
        theirs=lambda: unet.make(OUTPUTS, WIDTH, DEPTH),
        names=unet.names(WIDTH, DEPTH),
        against="30 lines of PyTorch",
        shape=(2, 32, 48, 3),
    ),
)
