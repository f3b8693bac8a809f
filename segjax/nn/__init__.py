"""Layers that more than one architecture uses. All are channel-last."""
