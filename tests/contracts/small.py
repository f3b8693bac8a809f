"""Arguments that make each model small enough for a test."""

SMALL = {
    "enet": dict(width=4, plain=1, sections=1),
    "mobilenet_segnet": dict(backbone_width=0.125, widths=(8, 8, 8, 8)),
    "fc_densenet": dict(growth=4, layers=(1, 2, 1), first=6),
    "fcn_resnet": dict(backbone="resnet18", backbone_width=0.125),
    "fcn": dict(backbone="vgg11", backbone_width=0.125, fc_width=16),
    "icnet": dict(width=4, blocks=(1, 2, 1, 1), features=8),
    "pspnet": dict(
        backbone="resnet18",
        backbone_width=0.125,
        output_stride=16,
        bins=(1, 2),
        features=8,
    ),
    "deeplab_v2": dict(backbone="resnet18", backbone_width=0.125, rates=(1, 2)),
    "deeplab_largefov": dict(
        backbone="vgg11", backbone_width=0.125, features=8, rate=2
    ),
    "segnet_basic": dict(width=4, depth=2, kernel=3),
    "deeplab_v3plus": dict(
        backbone="resnet18",
        backbone_width=0.125,
        features=8,
        low_features=4,
        rates=(1, 2),
        separable=True,
        aux_head=True,
    ),
    "deeplab_v3": dict(
        backbone="resnet18", backbone_width=0.125, features=8, rates=(1, 2)
    ),
    "hrnet": dict(width=4, units=(1, 1, 1), blocks=1, stem=8),
    "segformer": dict(backbone_width=0.25, blocks=(1, 1, 1, 1), width=8, drop_path=0.0),
    "segnet": dict(widths=(4, 6, 8), convolutions=(2, 1, 1)),
    "convlstm_unet": dict(width=4, depth=1),
    "recurrent": dict(model_options=dict(width=4, depth=1), width=4),
    "unet": dict(width=4, depth=2),
    "valid_unet": dict(width=4, depth=2),
    "xception_unet": dict(width=4, depth=1, skips=True),
    "backbone_unet": dict(
        backbone="resnet18", backbone_width=0.125, decoder_widths=(8, 8, 4, 4, 4)
    ),
    "ternausnet": dict(backbone_width=0.125, width=2),
    "mobile_unet": dict(backbone_width=0.25, decoder_widths=(8, 8, 4, 4)),
    "unet_plus_plus": dict(width=4, depth=2),
    "linknet": dict(backbone_width=0.125, end_width=4),
    "r2unet": dict(width=4, depth=1),
    "backbone_unet_plus_plus": dict(
        backbone="resnet18", backbone_width=0.125, decoder_widths=(8, 8, 4, 4, 4)
    ),
}
