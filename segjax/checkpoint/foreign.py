"""Arrays of a PyTorch state dict, put where the same network of segjax has them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from segjax.core.names import Names

WORDS = {
    "weight": tuple(
        f"params/{{}}/{word}"
        for word in ("kernel", "scale", "embedding", "slope", "negative_slope")
    ),
    "gamma": ("params/{}/scale",),
    "bias": ("params/{}/bias",),
    "beta": ("params/{}/bias",),
    "running_mean": ("batch_stats/{}/mean",),
    "running_var": ("batch_stats/{}/var",),
}
"""Last word of a name -> our path, `{}` being the module; the first that exists."""


@dataclasses.dataclass(frozen=True)
class Carried:
    """What became of each array.

    Attributes:
      values: path (`params/...`, `batch_stats/...`) -> array of the target's shape.
      unmatched: name there -> why it was not taken.
      dropped: names that the rules leave out on purpose.
      unfilled: paths of the target that got nothing and should have.
    """

    values: dict[str, np.ndarray]
    unmatched: dict[str, str]
    dropped: tuple[str, ...]
    unfilled: tuple[str, ...]


def carry(
    arrays: Mapping[str, Any], names: Names, target: Mapping[str, Any]
) -> Carried:
    """Bring the arrays of another project to our paths and orders of axes.

    Args:
      arrays: name in the state dict -> numpy array.
      names: the rules; see `core.names`.
      target: path -> anything with `shape` (and `dtype`), such as
        `leaves.shapes({"params": ..., "batch_stats": ...})`.
    """
    values: dict[str, np.ndarray] = {}
    filled: dict[str, str] = {}
    unmatched: dict[str, str] = {}
    dropped = []
    for name, array in arrays.items():
        if names.drops(name):
            dropped.append(name)
            continue
        path, why = _path(name, names, target)
        if not why and path in filled:
            why = f"{path} is filled by {filled[path]}"
        if not why:
            kind = names.kind(name) or _usual_kind(path)
            value, why = _fitted(np.asarray(array), kind, target[path])
        if why:
            unmatched[name] = why
        else:
            values[path], filled[path] = value, name
    return Carried(
        values=values,
        unmatched=unmatched,
        dropped=tuple(dropped),
        unfilled=tuple(
            p for p in target if p not in values and names.expects(p.partition("/")[2])
        ),
    )


def _path(name: str, names: Names, target: Mapping[str, Any]) -> tuple[str, str]:
    """Our path for a name, and why there is none."""
    module_name, _, word = name.rpartition(".")
    if word in WORDS and (module := names.module(module_name)) is not None:
        candidates = [pattern.format(module) for pattern in WORDS[word]]
    elif (whole := names.module(name)) is not None:
        # A parameter of its own, outside any layer: the rule gives its path.
        candidates = [f"params/{whole}"]
    else:
        return "", "no rule fits its name"
    found = [path for path in candidates if path in target]
    return (found[0], "") if found else ("", f"the model has no {candidates[0]}")


def _usual_kind(path: str) -> str:
    """By rank for the arrays of layers; a table or a lone parameter stays as it is."""
    word = path.rpartition("/")[2]
    layers = word.endswith("kernel") or word in ("scale", "bias", "mean", "var")
    return "" if layers else "as_is"


def _fitted(array: np.ndarray, kind: str, target: Any) -> tuple[Any, str]:
    """The array with our order of axes, and why it does not fit."""
    shape = tuple(target.shape)
    try:
        value = KINDS[kind](array, shape)
    except ValueError as error:
        return None, f"is {_shape(array.shape)}: {error}"
    if value.shape != shape:
        return None, (
            f"is {_shape(array.shape)}, which makes {_shape(value.shape)}; the model "
            f"has {_shape(shape)}"
        )
    dtype = np.dtype(getattr(target, "dtype", "float32"))
    return np.ascontiguousarray(value.astype(dtype)), ""


def _by_rank(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Linear `(O, I)`, convolution `(O, I, kh, kw)`, embedding `(V, D)` or a vector."""
    if array.ndim < 2:
        return array
    value = np.moveaxis(array, (0, 1), (-1, -2))
    if value.ndim == 2 and len(shape) > 2:
        return value.reshape((1,) * (len(shape) - 2) + value.shape)
    if value.ndim > 2 == len(shape) and set(value.shape[:-2]) == {1}:
        return value.reshape(value.shape[-2:])
    return value


def _transposed(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Transposed convolution `(I, O, kh, kw)`."""
    return array.transpose(2, 3, 0, 1)


def _flipped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same for a convolution over the dilated input, which mirrors the kernel."""
    return array.transpose(2, 3, 0, 1)[::-1, ::-1]


def _dense_7x7(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Linear `(O, C * 7 * 7)` over flattened features, as a 7x7 convolution."""
    return array.reshape(len(array), -1, 7, 7).transpose(2, 3, 1, 0)


def _swapped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel over two concatenated inputs of one width, which stand the other way."""
    return _by_rank(np.roll(array, array.shape[1] // 2, axis=1), shape)


def _as_is(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The axes stand as ours do, up to axes of one element."""
    squeezed = tuple(n for n in array.shape if n != 1)
    ours = tuple(n for n in shape if n != 1)
    return array.reshape(shape) if squeezed == ours else array


KINDS: dict[str, Callable[[np.ndarray, tuple[int, ...]], np.ndarray]] = {
    "": _by_rank,
    "as_is": _as_is,
    "dense_7x7": _dense_7x7,
    "swapped": _swapped,
    "transposed": _transposed,
    "transposed_flipped": _flipped,
}
"""Kind of an array -> `(array, our shape) -> array`; "" goes by its rank."""


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
