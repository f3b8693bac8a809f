"""Class weights from pixel counts, against imbalance. Plain numpy, on the host."""

import ast
import inspect
from typing import Any

import numpy as np
from jaxtyping import Integer

from segjax.core.errors import UserError
from segjax.core.tables import Table, signature_problems, unknown


def median_frequency(
    counts: Integer[np.ndarray, "K"],
    totals: Integer[np.ndarray, "K"] | None = None,
    clip: float | None = None,
    power: float = 1.0,
) -> tuple[float, ...]:
    """`(median(f) / f_k) ** power`: the class of median frequency gets weight 1.

    Args:
      counts: pixels of each class in the training set.
      totals: for each class, the valid pixels of the images that contain it, which
        makes `f_k = counts / totals` the paper's; without it `f_k` is the class's share
        of all pixels.
      clip: the largest ratio allowed.
      power: 1 is the paper's; 0.5 lifts rare classes more gently, which keeps the
        precision that full weights cost.

    Returns:
      `K` numbers; 1 for classes without a pixel, which are left out of the median.

    Raises:
      UserError: no class has a pixel.

    Source: Eigen & Fergus, Predicting Depth, Surface Normals and Semantic Labels, 2015,
      arXiv:1411.4734, section 6.3.2.
    """
    _check_counts(counts)
    seen = counts > 0
    totals = np.full_like(counts, counts.sum()) if totals is None else totals
    frequency = counts[seen] / totals[seen]
    weights = np.ones(len(counts))
    weights[seen] = np.median(frequency) / frequency
    return _floats(np.minimum(weights, clip or np.inf) ** power)


def inverse_log_frequency(
    counts: Integer[np.ndarray, "K"], offset: float = 1.02, clip: float | None = None
) -> tuple[float, ...]:
    """`1 / ln(offset + f_k)`, between 1.4 and 50.5 for the paper's offset.

    Args:
      counts: pixels of each class in the training set.
      offset: above 1; the smaller, the further rare classes are lifted.
      clip: the largest weight allowed.

    Raises:
      UserError: no class has a pixel.

    Source: Paszke et al., ENet, 2016, arXiv:1606.02147, section 5.2.
    """
    _check_counts(counts)
    weights = 1 / np.log(offset + counts / counts.sum())
    return _floats(np.minimum(weights, clip or np.inf))


def inverse_frequency(
    counts: Integer[np.ndarray, "K"], clip: float | None = None, power: float = 1.0
) -> tuple[float, ...]:
    """`(mean(f) / f_k) ** power`, with `f_k` the class's share of all pixels.

    Args:
      counts: pixels of each class in the training set.
      clip: the largest ratio allowed.
      power: 1 makes every class weigh alike in a batch; 0.5 is the gentler root.

    Returns:
      `K` numbers; 1 for classes without a pixel.

    Raises:
      UserError: no class has a pixel.
    """
    _check_counts(counts)
    seen = counts > 0
    weights = np.ones(len(counts))
    weights[seen] = counts[seen].mean() / counts[seen]
    return _floats(np.minimum(weights, clip or np.inf) ** power)


def effective_number(
    counts: Integer[np.ndarray, "K"], beta: float = 0.999999
) -> tuple[float, ...]:
    """`(1 - beta) / (1 - beta ** n_k)` over its mean: near pixels add little.

    Args:
      counts: `n_k`, pixels of each class in the training set.
      beta: in [0, 1): 0 weighs all classes alike, towards 1 as the inverse frequency;
        classes of many more than `1 / (1 - beta)` pixels weigh alike.

    Returns:
      `K` numbers, 1 in the mean over the classes that have pixels, and 1 for others.

    Raises:
      UserError: no class has a pixel, or `beta` is out of its range.

    Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples, 2019,
      arXiv:1901.05555, equation 3.
    """
    _check_counts(counts)
    if not 0 <= beta < 1:
        raise UserError(f"beta={beta}: 0 up to, not including, 1 is allowed.")
    seen = counts > 0
    weights = np.ones(len(counts))
    with np.errstate(divide="ignore"):  # the logarithm of beta = 0
        weights[seen] = (1 - beta) / -np.expm1(counts[seen] * np.log(beta))
    weights[seen] /= weights[seen].mean()
    return _floats(weights)


RULES = Table(
    "class weight rule",
    {
        "effective_number": effective_number,
        "inverse_frequency": inverse_frequency,
        "inverse_log_frequency": inverse_log_frequency,
        "median_frequency": median_frequency,
    },
    given=("counts", "totals"),
)


def resolve(
    rule: str,
    counts: Integer[np.ndarray, "K"],
    totals: Integer[np.ndarray, "K"] | None = None,
) -> tuple[float, ...]:
    """The weights that a rule such as `"median_frequency(clip=5)"` gives.

    Args:
      rule: a name of `RULES`, alone or called with literal keyword arguments.
      counts: pixels of each class in the training set.
      totals: as in `median_frequency`; rules that do not use it are not given it.

    Raises:
      UserError: the rule is unknown or ill-called, or no class has a pixel.
    """
    if found := problems(rule):
        raise UserError(found)
    name, kwargs = _parse(rule)
    if totals is not None and "totals" in inspect.signature(RULES[name]).parameters:
        kwargs["totals"] = totals
    return RULES[name](counts, **kwargs)


def problems(rule: str, where: str = "class_weights") -> list[str]:
    """All that is wrong with a rule's text, as messages that begin with `where`."""
    where = f"{where}={rule!r}"
    try:
        name, kwargs = _parse(rule)
    except (SyntaxError, ValueError):
        return [
            f"{where}: is not a rule; write one of {', '.join(RULES)}, alone or with "
            "named numbers: 'median_frequency(clip=5)'."
        ]
    if name not in RULES:
        return [unknown(RULES.kind, name, RULES, where)]
    return signature_problems(where, RULES[name], kwargs, given=RULES.given)


def _parse(rule: str) -> tuple[str, dict[str, Any]]:
    node = ast.parse(rule.strip(), mode="eval").body
    if isinstance(node, ast.Name):
        return node.id, {}
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise ValueError(rule)
    if node.args or any(k.arg is None for k in node.keywords):
        raise ValueError(rule)
    kwargs = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
    return node.func.id, {
        k: float(v) if type(v) is int else v for k, v in kwargs.items()
    }


def _check_counts(counts: np.ndarray) -> None:
    if counts.sum() == 0:
        raise UserError(
            "class weights: no class has a pixel in the training set; one at least is "
            "needed. Check the masks with `segjax inspect`."
        )


def _floats(weights: np.ndarray) -> tuple[float, ...]:
    return tuple(float(w) for w in weights)
