"""The scores that a model's file brings along, as the server tells them."""

from collections.abc import Mapping
from typing import Any


def measured(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Scores on the split that the model was exported with.

    Args:
      manifest: of an exported model.

    Returns:
      As `schema.Measured` says; None if the file has none, or has them otherwise.
    """
    try:
        scores = manifest["scores"]
        summary = scores["summary"]
        return {
            "dataset": str(scores["dataset"]),
            "split": str(scores["split"]),
            "images": int(scores["num_images"]),
            "protocol": str(scores["protocol"]),
            "postprocess": str(scores["postprocess"]),
            "convention": str(scores["convention_sentence"]),
            "miou": float(summary["miou"]),
            "mean_dice": float(summary["mean_dice"]),
            "pixel_accuracy": float(summary["pixel_accuracy"]),
        }
    except (KeyError, TypeError, ValueError):
        return None
