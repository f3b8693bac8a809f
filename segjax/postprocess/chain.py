"""Steps one behind the other, from what the network said to what is shown."""

import dataclasses

import numpy as np

from segjax.postprocess.step import Ids, Image, OfIds, OfShares, Shares, Step

CERTAINTY = 0.7
"""Probability of the class of a pixel whose probabilities are not known any more."""


@dataclasses.dataclass(frozen=True)
class Chain:
    """Steps in their order; without any nothing is changed.

    A step of ids takes the classes that the probabilities before it decide. A step of
    probabilities behind one of ids takes `CERTAINTY` for the class of each pixel and
    shares the rest out evenly, as Kraehenbuehl and Koltun's software does for labels.
    """

    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __str__(self) -> str:
        """The op string, the same for all that mean the same."""
        return " | ".join(map(str, self.steps))

    @property
    def of_image(self) -> bool:
        """Whether a step looks at the image."""
        return any(step.of_image for step in self.steps)

    @property
    def of_shares(self) -> bool:
        """Whether the network's probabilities are needed, not its classes alone."""
        return bool(self.steps) and isinstance(self.steps[0], OfShares)

    def problems(self, num_classes: int, where: str) -> list[str]:
        """Why the steps are not for so many classes, as messages."""
        return [
            f"{where}: {step}: {problem}"
            for step in self.steps
            for problem in step.problems(num_classes)
        ]

    def apply(
        self,
        ids: Ids,
        num_classes: int,
        *,
        image: Image | None = None,
        shares: Shares | None = None,
        threshold: float | int = 0.5,
    ) -> Ids:
        """What the steps make of a prediction.

        Args:
          ids: the classes that the network decided.
          num_classes: `K`.
          image: the picture at the size of the ids, if the chain is `of_image`.
          shares: its probabilities, if the chain is `of_shares`.
          threshold: of the foreground, by which two classes are decided.
        """
        decided = True
        for step in self.steps:
            seen = image if step.of_image else None
            if isinstance(step, OfIds):
                if not decided:
                    ids, decided = _decide(shares, threshold), True
                ids, shares = step.ids(ids, seen, num_classes), None
            else:
                if shares is None:
                    shares = of_ids(ids, num_classes)
                shares, decided = step.shares(shares, seen), False
        return ids if decided else _decide(shares, threshold)


def _decide(shares: Shares, threshold: float | int) -> Ids:
    if shares.shape[-1] == 2:
        return (shares[..., 1] > threshold).astype(np.uint8)
    return shares.argmax(-1).astype(np.uint8)


def of_ids(ids: Ids, num_classes: int) -> Shares:
    """Probabilities where classes alone are known, see `CERTAINTY`."""
    rest = (1 - CERTAINTY) / (num_classes - 1)
    shares = np.full((*ids.shape, num_classes), rest, np.float32)
    np.put_along_axis(shares, ids[..., None].astype(np.intp), CERTAINTY, axis=-1)
    return shares
