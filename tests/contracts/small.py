"""Arguments that make each model small enough for a test."""

SMALL = {
    "unet": dict(width=4, depth=2),
    "valid_unet": dict(width=4, depth=2),
}
