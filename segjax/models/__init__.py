"""MODELS: architectures by name; one file each.

A model is a flax module `(x, train) -> logits`, float32, with the input's height and
width, and a property `stride` that both sides must divide by. Batch statistics live in
the collection `batch_stats`; a model with auxiliary heads sows their logits into the
collection `aux`, which only the train step asks for.
"""

from segjax.core.tables import Table
from segjax.models.backbone_unet import BackboneUNet
from segjax.models.backbone_unet_plus_plus import BackboneUNetPlusPlus
from segjax.models.convlstm_unet import ConvLSTMUNet
from segjax.models.deeplab_largefov import DeepLabLargeFOV
from segjax.models.deeplab_v2 import DeepLabV2
from segjax.models.deeplab_v3 import DeepLabV3
from segjax.models.deeplab_v3plus import DeepLabV3Plus
from segjax.models.enet import ENet
from segjax.models.fc_densenet import FCDenseNet
from segjax.models.fcn import FCN
from segjax.models.fcn_resnet import FCNResNet
from segjax.models.hrnet import HRNet
from segjax.models.icnet import ICNet
from segjax.models.linknet import LinkNet
from segjax.models.mobile_unet import MobileUNet
from segjax.models.mobilenet_segnet import MobileNetSegNet
from segjax.models.pspnet import PSPNet
from segjax.models.r2unet import R2UNet
from segjax.models.recurrent import Recurrent
from segjax.models.segformer import SegFormer
from segjax.models.segnet import SegNet
from segjax.models.segnet_basic import SegNetBasic
from segjax.models.ternausnet import TernausNet
from segjax.models.unet import UNet
from segjax.models.unet_plus_plus import UNetPlusPlus
from segjax.models.valid_unet import ValidUNet
from segjax.models.xception_unet import XceptionUNet

MODELS = Table(
    "model",
    {
        "enet": ENet,
        "backbone_unet": BackboneUNet,
        "backbone_unet_plus_plus": BackboneUNetPlusPlus,
        "convlstm_unet": ConvLSTMUNet,
        "deeplab_largefov": DeepLabLargeFOV,
        "deeplab_v2": DeepLabV2,
        "deeplab_v3": DeepLabV3,
        "deeplab_v3plus": DeepLabV3Plus,
        "fc_densenet": FCDenseNet,
        "fcn": FCN,
        "fcn_resnet": FCNResNet,
        "hrnet": HRNet,
        "icnet": ICNet,
        "linknet": LinkNet,
        "mobile_unet": MobileUNet,
        "mobilenet_segnet": MobileNetSegNet,
        "pspnet": PSPNet,
        "r2unet": R2UNet,
        "recurrent": Recurrent,
        "segformer": SegFormer,
        "segnet": SegNet,
        "segnet_basic": SegNetBasic,
        "ternausnet": TernausNet,
        "unet": UNet,
        "unet_plus_plus": UNetPlusPlus,
        "valid_unet": ValidUNet,
        "xception_unet": XceptionUNet,
    },
    given=("num_outputs",),
)
