"""Arguments that make each model small enough for a test."""

SMALL = {
    "segnet": dict(widths=(4, 6, 8), convolutions=(2, 1, 1)),
    "unet": dict(width=4, depth=2),
    "valid_unet": dict(width=4, depth=2),
    "xception_unet": dict(width=4, depth=2, skips=True),
}
