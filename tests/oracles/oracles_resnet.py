"""ResNet against torchvision, timm and transformers."""

from functools import partial

from benchmarks.rivals.vision import with_torchvision
from segjax.models.backbones import make
from segjax.models.backbones.resnet import ResNet18, ResNet50
from tests.oracles.harness import Oracle

STRIDES = (2, 4, 8, 16, 32)


def _torchvision(name: str, dilate=(False, False, False)):
    with_torchvision()
    import torchvision

    made = getattr(torchvision.models, name)
    if name == "resnet18":
        return made(weights=None)
    return made(weights=None, replace_stride_with_dilation=list(dilate))


def _features(module, x):
    x = module.relu(module.bn1(module.conv1(x)))
    features = [x]
    x = module.maxpool(x)
    for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
        x = layer(x)
        features.append(x)
    return dict(zip(STRIDES, features, strict=True))


def _timm(block: str, **options):
    with_torchvision()
    from timm.models import resnet

    return resnet.ResNet(getattr(resnet, block), num_classes=3, **options)


def _timm_features(module, x):
    x = module.act1(module.bn1(module.conv1(x)))
    features = [x]
    x = module.maxpool(x)
    for layer in (module.layer1, module.layer2, module.layer3, module.layer4):
        x = layer(x)
        features.append(x)
    return dict(zip(STRIDES, features, strict=True))


def _transformers():
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 64, 128],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )
    return ResNetForImageClassification(config)


def _hidden(module, x):
    return dict(
        zip(
            STRIDES[1:],
            module.resnet(x, output_hidden_states=True).hidden_states[1:],
            strict=True,
        )
    )


def _without_stem(model, variables, x):
    features = model.apply(variables, x, False)
    return {stride: features[stride] for stride in STRIDES[1:]}


TORCHVISION, TIMM, TRANSFORMERS = ResNet18.foreign

ORACLES = (
    Oracle(
        "resnet18_torchvision",
        ours=lambda: make("resnet18"),
        theirs=partial(_torchvision, "resnet18"),
        names=TORCHVISION,
        against="torchvision",
        run=_features,
    ),
    Oracle(
        "resnet50_torchvision",
        ours=lambda: make("resnet50"),
        theirs=partial(_torchvision, "resnet50"),
        names=ResNet50.foreign[0],
        against="torchvision",
        run=_features,
        gain=0.7,
        slow=True,
    ),
    Oracle(
        "resnet50_os8_torchvision",
        ours=lambda: make("resnet50", output_stride=8),
        theirs=partial(_torchvision, "resnet50", (False, True, True)),
        names=ResNet50.foreign[0],
        against="torchvision",
        run=_features,
        gain=0.7,
        slow=True,
    ),
    Oracle(
        "resnet18_os8_timm",
        ours=lambda: make("resnet18", output_stride=8),
        theirs=partial(_timm, "BasicBlock", layers=[2, 2, 2, 2], output_stride=8),
        names=TIMM,
        against="timm",
        run=_timm_features,
        slow=True,
    ),
    Oracle(
        "resnet_deep_timm",
        ours=lambda: make("resnet50", width=0.25, stem="deep", output_stride=16),
        theirs=partial(
            _timm,
            "Bottleneck",
            layers=[3, 4, 6, 3],
            stem_type="deep",
            stem_width=8,
            channels=(16, 32, 64, 128),
            output_stride=16,
        ),
        names=TIMM,
        against="timm",
        run=_timm_features,
        gain=0.7,
        slow=True,
        note="ResNet-50-C: the deep stem, a quarter of the width",
    ),
    Oracle(
        "resnet18_transformers",
        ours=lambda: make("resnet18", width=0.25),
        theirs=_transformers,
        names=TRANSFORMERS,
        against="transformers",
        run=_hidden,
        apply=_without_stem,
        note="a quarter of the width",
    ),
)
