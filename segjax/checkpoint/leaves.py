"""A pytree as a flat list of named arrays: their paths, shapes, dtypes and digests.

A path is the names from the root, joined by `/`: `params/down0/conv0/kernel`,
`opt_state/0/mu/head/bias`. Nodes without arrays (`{}`, optax's `EmptyState`) leave no
trace, so that what is stored does not depend on the Python types of the tree.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

HASH_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Leaf:
    """What is known of one array without holding it.

    Attributes:
      shape: its shape.
      dtype: name of its dtype: "float32", "bfloat16".
      sha256: hex digest of its bytes in row-major order; empty if no process holds
        the whole array.
    """

    shape: tuple[int, ...]
    dtype: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


def digest(tree: Any) -> str:
    """sha256 hex over the sorted (path, dtype, shape, bytes) of all arrays in `tree`.

    Two trees have one digest exactly if they hold the same numbers, bit for bit, under
    the same names, whatever devices the arrays lie on.

    Raises:
      ValueError: an array is spread over processes, so that this one has only a part.
    """
    found = describe(host_arrays(tree))
    partial = [path for path, leaf in found.items() if not leaf.sha256]
    if partial:
        raise ValueError(f"{partial[0]}: is spread over processes; gather it first.")
    return digest_of(found)


def digest_of(leaves: Mapping[str, Leaf]) -> str:
    """The digest of a tree, from the digests of its leaves."""
    lines = [f"{path} {leaf} {leaf.sha256}\n" for path, leaf in sorted(leaves.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def flatten(tree: Any) -> dict[str, Any]:
    """Path -> leaf, in the order of `jax.tree.leaves`.

    Raises:
      ValueError: two leaves have one path, or a leaf has no elements (orbax cannot
        store those).
    """
    pairs, _ = jax.tree_util.tree_flatten_with_path(tree)
    flat = {jax.tree_util.keystr(k, simple=True, separator="/"): x for k, x in pairs}
    if len(flat) != len(pairs):
        raise ValueError("two arrays of the tree have the same path; rename one.")
    empty = [path for path, x in flat.items() if 0 in np.shape(x)]
    if empty:
        raise ValueError(f"{empty[0]}: has no elements; leave it out of the state.")
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a/b": x}` -> `{"a": {"b": x}}`, the form in which arrays are stored."""
    root: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        node = root
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return root


def shapes(tree: Any) -> dict[str, Leaf]:
    """Path -> shape and dtype, of arrays or of `jax.ShapeDtypeStruct`s."""
    return {
        path: Leaf(
            np.shape(x), str(x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype)
        )
        for path, x in flatten(tree).items()
    }


def host_arrays(tree: Any) -> dict[str, Any]:
    """Path -> the array in host memory, safe from what later happens to `tree`.

    Numpy arrays are copied. Those of JAX cannot change: on a CPU this is a view that
    keeps its buffer from being donated, elsewhere a copy from the device. An array of
    which this process has only a part gives its `Leaf` without a digest.
    """

    def bring(x: Any) -> Any:
        if not isinstance(x, jax.Array):
            return np.array(x)
        if x.is_fully_addressable:
            return np.asarray(x)
        if x.is_fully_replicated:
            return np.asarray(x.addressable_data(0))
        return Leaf(x.shape, str(x.dtype))

    return {path: bring(x) for path, x in flatten(tree).items()}


def describe(arrays: Mapping[str, Any]) -> dict[str, Leaf]:
    """Path -> `Leaf` with digest, of what `host_arrays` gave."""
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return dict(zip(arrays, pool.map(_leaf, arrays.values()), strict=True))


def _leaf(x: Any) -> Leaf:
    if isinstance(x, Leaf):
        return x
    flat = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    return Leaf(x.shape, str(x.dtype), hashlib.sha256(flat).hexdigest())
