"""DeepLabV3 of torchvision on its ResNet-50, at output stride 8 or 16."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names


def make(num_outputs: int, backbone: str = "resnet50", output_stride: int = 8):
    """The network of `segjax.models.deeplab_v3` with the same parameters."""
    with_torchvision()
    from torch import nn
    from torchvision import models
    from torchvision.models._utils import IntermediateLayerGetter
    from torchvision.models.segmentation.deeplabv3 import DeepLabHead
    from torchvision.models.segmentation.fcn import FCNHead

    def resized(x, size):
        return nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)

    class DeepLabV3(nn.Module):
        def __init__(self):
            super().__init__()
            dilated = [False, output_stride == 8, True]
            net = models.get_model(
                backbone, weights=None, replace_stride_with_dilation=dilated
            )
            self.backbone = IntermediateLayerGetter(
                net, {"layer4": "out", "layer3": "aux"}
            )
            rates = tuple(rate * 16 // output_stride for rate in (6, 12, 18))
            self.classifier = DeepLabHead(2048, num_outputs, rates)
            self.aux_classifier = FCNHead(1024, num_outputs)

        def forward(self, x):
            size, features = x.shape[-2:], self.backbone(x)
            logits = resized(self.classifier(features["out"]), size)
            if not self.training:
                return logits
            return logits, resized(self.aux_classifier(features["aux"]), size)

    return DeepLabV3()


def names(backbone: str = "resnet50", output_stride: int = 8) -> Names:
    """What its arrays are called in segjax: as those of torchvision's own."""
    from segjax.models.deeplab_v3 import DeepLabV3

    model = DeepLabV3(1, backbone=backbone, output_stride=output_stride)
    return next(n for n in model.foreign if n.project == "torchvision" and not n.under)
