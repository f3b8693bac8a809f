"""Files that PyTorch writes of other projects' networks start ours, with none left."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.rivals.vision import with_torchvision
from segjax.checkpoint import init_from
from segjax.core.state import TrainState
from segjax.models import MODELS

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")

CASES = (
    # model, its arguments, project, network there, its arguments
    ("deeplab_v3", {}, "torchvision", "resnet50", {}),
    ("deeplab_v3", {}, "torchvision", "deeplabv3_resnet50", {"aux_loss": True}),
    ("deeplab_v3plus", {"backbone": "resnet18"}, "timm", "resnet18", {}),
    ("pspnet", {"backbone": "resnet101"}, "torchvision", "resnet101", {}),
    ("pspnet", {"backbone": "resnet34"}, "timm", "resnet34", {}),
    ("segnet", {}, "torchvision", "vgg16_bn", {}),
    ("fcn", {}, "torchvision", "vgg16", {}),
    ("deeplab_largefov", {}, "torchvision", "vgg16", {}),
    ("ternausnet", {}, "torchvision", "vgg11", {}),
    ("mobile_unet", {}, "torchvision", "mobilenet_v2", {}),
    ("mobile_unet", {}, "timm", "mobilenetv2_100", {}),
    ("backbone_unet", {"backbone": "vgg16_bn"}, "torchvision", "vgg16_bn", {}),
    ("fcn_resnet", {}, "torchvision", "fcn_resnet50", {"aux_loss": True}),
    ("hrnet", {}, "timm", "hrnet_w18", {}),
    ("segformer", {}, "transformers", "SegformerForSemanticSegmentation", {}),
    ("segformer", {}, "transformers", "SegformerForImageClassification", {}),
    ("deeplab_v3", {"backbone": "resnet18"}, "transformers", "ResNetModel", {}),
)
OUTPUTS = 21


def state_dict(project: str, name: str, options: dict) -> dict:
    """Of a network with random weights; nothing is downloaded."""
    with_torchvision()
    if project == "timm":
        import timm

        return timm.create_model(name, pretrained=False, **options).state_dict()
    if project == "torchvision":
        import torchvision

        make = getattr(torchvision.models, name, None)
        if make is None:
            make = getattr(torchvision.models.segmentation, name)
            options = {"weights_backbone": None, "num_classes": OUTPUTS, **options}
        return make(weights=None, **options).state_dict()
    import transformers

    if name == "ResNetModel":
        config = transformers.ResNetConfig(
            layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2]
        )
    else:
        config = transformers.SegformerConfig(num_labels=OUTPUTS)
    return getattr(transformers, name)(config).state_dict()


def fresh(model) -> TrainState:
    """Arrays of the right shapes, all NaN, without computing anything."""
    side = model.input_side(64)
    variables = jax.eval_shape(
        model.init, jax.random.key(0), jnp.zeros((1, side, side, 3))
    )
    blank = jax.tree.map(lambda x: np.full(x.shape, np.nan, np.float32), variables)
    zero = np.zeros((), np.int32)
    statistics = blank.get("batch_stats", {})
    return TrainState(zero, blank["params"], statistics, (), {}, zero, zero)


@pytest.mark.parametrize(
    ("name", "options", "project", "theirs", "their_options"),
    CASES,
    ids=[f"{c[0]}-{c[2]}.{c[3]}" for c in CASES],
)
def test_it_is_taken_whole(tmp_path, name, options, project, theirs, their_options):
    arrays = state_dict(project, theirs, their_options)
    path = tmp_path / "weights.pth"
    torch.save(arrays, path)
    model = MODELS[name](num_outputs=OUTPUTS, **options)
    state, ledger = init_from(path, fresh(model), foreign=model.foreign)
    # timm calls the arrays of a plain ResNet as torchvision does
    assert ledger.project in (project, "torchvision")
    assert (ledger.skipped, ledger.unfilled) == ((), ())
    assert len(ledger.loaded) > 15
    values = jax.tree_util.tree_leaves_with_path(
        {"params": state.params, "batch_stats": state.batch_stats}
    )
    for at, value in values:
        path = jax.tree_util.keystr(at, simple=True, separator="/")
        assert np.isfinite(value).all() == (path in ledger.loaded), path
    modules = sorted({p.split("/")[1] for p in ledger.new})
    print(f"{len(ledger.loaded)} loaded; new: {', '.join(modules) or 'nothing'}")
