"""Whether the pictures of late are like those that a model learnt from.

The worker measures each picture that it answers, the front keeps the numbers of the
last ones in memory, and the worker compares them with those in the model's file. No
picture is kept, and no label is needed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

try:
    from segjax.serve import statistics
except ImportError:
    statistics = None

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Likeness:
    """The features of pictures beside those of a model's reference.

    Args:
      stored: the reference, as the model's file has it; empty if it has none.
      class_names: of the ids.
    """

    def __init__(self, stored: Mapping[str, Any], class_names: Sequence[str]):
        self._names = class_names
        self._reference = statistics.reference(stored) if stored else {}

    @property
    def known(self) -> bool:
        """Whether the file has anything to compare with."""
        return bool(self._reference)

    def features(
        self, image: np.ndarray, ids: np.ndarray, probabilities: np.ndarray
    ) -> dict[str, float]:
        """The numbers of one picture; none where there is nothing to compare with.

        Args:
          image: `(h, w, C)`, behind the evaluation ops.
          ids: `(H, W)`, of the answer.
          probabilities: `(H, W, K)`, of the answer.
        """
        if not self.known:
            return {}
        found = statistics.features(image, ids, probabilities, self._names)
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def verdict(self, recent: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """What recent pictures are beside those of the reference, as JSON has it."""
        if not self.known:
            words = "The model's file says nothing of the pictures it learnt from."
            return {
                "pictures": len(recent),
                "drifted": False,
                "verdict": words,
                "features": [],
            }
        found = statistics.verdict(self._reference, recent)
        features = [
            {
                "name": f.feature,
                "drifted": bool(f.drifted),
                "p": float(f.p),
                "effect": float(f.effect),
                "training": _quantiles(self._reference[f.feature]),
                "recent": _quantiles([r[f.feature] for r in recent if f.feature in r]),
                "verdict": str(f),
            }
            for f in found.findings
        ]
        return {
            "pictures": len(recent),
            "drifted": bool(found.drifted),
            "verdict": str(found),
            "quantiles": list(QUANTILES),
            "features": features,
        }


def _quantiles(values: Sequence[float] | np.ndarray) -> list[float]:
    return [float(q) for q in np.quantile(np.asarray(values, float), QUANTILES)]
