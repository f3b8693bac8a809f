"""HRNet: the four branches against timm, all of it with the authors' head on timm's."""

from benchmarks.rivals.vision import with_torchvision
from segjax.models.hrnet import OFFICIAL, TIMM, HRNet
from tests.oracles.harness import Oracle

OUTPUTS = 7
HEAD = ("params/mix", "params/head", "batch_stats/mix")


def _theirs(name: str, **options):
    with_torchvision()
    import timm

    return timm.create_model(name, pretrained=False, **options)


def _branches(module, x):
    x = module.act1(module.bn1(module.conv1(x)))
    x = module.act2(module.bn2(module.conv2(x)))
    return module.stages(x)


def _with_head():
    """The head of HRNetV2 as the paper's text says it, on timm's network."""
    from torch import nn

    module = _theirs("hrnet_w18", head="")
    for part in module.modules():
        if isinstance(part, nn.Upsample):
            part.mode = "bilinear"
    module.last_layer = nn.Sequential(
        nn.Conv2d(270, 270, 1),
        nn.BatchNorm2d(270),
        nn.ReLU(),
        nn.Conv2d(270, OUTPUTS, 1),
    )
    return module


def _logits(module, x):
    import torch

    def enlarged(y, size):
        return torch.nn.functional.interpolate(
            y, size=size, mode="bilinear", align_corners=False
        )

    branches = _branches(module, x)
    size = branches[0].shape[-2:]
    joined = torch.cat([enlarged(branch, size) for branch in branches], dim=1)
    return enlarged(module.last_layer(joined), x.shape[-2:])


def _apply(model, variables, x):
    """The branches below the head, whose arrays play no part."""
    _, state = model.apply(
        variables,
        x,
        capture_intermediates=lambda module, _: module.name == "backbone",
        mutable=["intermediates"],
    )
    return state["intermediates"]["backbone"]["__call__"][0]


ORACLES = (
    Oracle(
        "hrnet_w18_timm",
        ours=lambda: HRNet(num_outputs=OUTPUTS),
        theirs=_with_head,
        names=OFFICIAL,
        against="timm",
        run=_logits,
        slow=True,
        note="timm's Upsample set from nearest to bilinear; head in plain PyTorch",
    ),
    Oracle(
        "hrnet_w18_small_v2_timm",
        ours=lambda: HRNet(num_outputs=2, units=(1, 3, 2), blocks=2, enlarge="nearest"),
        theirs=lambda: _theirs("hrnet_w18_small_v2"),
        names=TIMM,
        against="timm",
        run=_branches,
        apply=_apply,
        new=HEAD,
    ),
)
