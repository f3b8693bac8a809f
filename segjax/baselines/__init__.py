"""Cheap baselines: what a table of networks is to be read beside.

Each entry of `BASELINES` is a frozen dataclass of a method's options. Its `fit` looks
at a training split and gives a `Fitted`, which answers an image with class ids of the
same size. None of them needs JAX, and scikit-image and scikit-learn are imported when a
method that uses them is.
"""

from segjax.baselines.examples import Examples, Fitted, Limited, frame
from segjax.baselines.kmeans import KMeans
from segjax.baselines.majority import Majority
from segjax.baselines.otsu import Otsu
from segjax.baselines.prior import Prior
from segjax.baselines.random_forest import RandomForest
from segjax.baselines.region_growing import RegionGrowing
from segjax.baselines.watershed import Watershed
from segjax.core.tables import Table

BASELINES = Table(
    "baseline",
    {
        "kmeans": KMeans,
        "majority": Majority,
        "otsu": Otsu,
        "prior": Prior,
        "random_forest": RandomForest,
        "region_growing": RegionGrowing,
        "watershed": Watershed,
    },
)

__all__ = ["BASELINES", "Examples", "Fitted", "Limited", "frame"]
