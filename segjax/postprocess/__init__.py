"""What is done to a prediction before anybody sees it: steps, written as one string.

    "median(3) | components(min_area=64)"

The same chain stands behind the network in evaluation, prediction, an exported model
and the page. A step changes either probabilities or class ids. Images are seen as 8-bit
RGB. This room and what it imports need numpy, scipy and jax alone, since it travels
inside exported models.
"""

from segjax.core import opstring
from segjax.core.tables import Table
from segjax.postprocess.chain import Chain
from segjax.postprocess.crf import Crf
from segjax.postprocess.guided import Guided
from segjax.postprocess.islands import Components, Holes
from segjax.postprocess.morphology import Closing, Dilation, Erosion, Opening
from segjax.postprocess.smooth import Gaussian, Median, Mode
from segjax.postprocess.split_merge import SplitMerge

__all__ = ["STEPS", "Chain", "parse"]

STEPS = Table(
    "step",
    {
        "closing": Closing,
        "components": Components,
        "crf": Crf,
        "dilation": Dilation,
        "erosion": Erosion,
        "gaussian": Gaussian,
        "guided": Guided,
        "holes": Holes,
        "median": Median,
        "mode": Mode,
        "opening": Opening,
        "split_merge": SplitMerge,
    },
)


def parse(text: str, where: str = "postprocess") -> Chain:
    """The chain that an op string names; the empty one of an empty string.

    Raises:
      UserError: with every problem of the text.
    """
    return Chain(opstring.parse(text, STEPS, where))
