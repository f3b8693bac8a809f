"""torchvision, also beside a PyTorch that its binary does not fit."""

import contextlib

_library = None


def with_torchvision() -> None:
    """Make torchvision importable, whether or not its binary loads.

    Its Python part registers fakes for operators that its binary would have defined;
    defining two of them is enough for the networks, which use neither.
    """
    import torch

    global _library
    if _library is None:
        _library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            with contextlib.suppress(RuntimeError):  # the binary did load
                _library.define(
                    f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
