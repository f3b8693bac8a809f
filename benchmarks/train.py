"""The train step beside PyTorch's: same network, batch, precision and optimiser.

    python -m benchmarks.train --models=unet,segnet,deeplab,convlstm_unet --vs=torch
    python -m benchmarks.train --dtype=bfloat16
    python -m benchmarks.train --preset=gpu --out=train.json
    python -m benchmarks.train --dry_run --vs=none

Each network is trained on one made-up batch that lies on the device as uint8: pixels
are normalised, cross-entropy leaves ignored pixels out, the gradient is clipped, AdamW
updates. See README.md beside this file for how to read the table.
"""

from benchmarks import program

WAYS = {"cpu": ["eager", "eager_nchw", "compiled"], "gpu": ["eager", "compiled"]}

if __name__ == "__main__":
    program.start("Train", ["step"], WAYS)
