"""Prediction beside PyTorch's: latency at batch 1, and throughput.

    python -m benchmarks.predict --models=unet,segnet,deeplab,convlstm_unet --vs=torch
    python -m benchmarks.predict --preset=gpu --out=predict.json
    python -m benchmarks.predict --dry_run --vs=none

Pixels that lie on the device as uint8 are normalised, the network answers, the class of
the largest logit is taken. Latency waits for every call; throughput hands over the
calls of a turn and waits behind the last. See README.md beside this file.
"""

from benchmarks import program

WAYS = {"cpu": ["eager", "compiled", "frozen"], "gpu": ["eager", "compiled", "graphs"]}

if __name__ == "__main__":
    program.start("Predict", ["latency", "throughput"], WAYS)
