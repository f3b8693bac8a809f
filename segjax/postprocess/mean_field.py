"""Mean field of a dense CRF with Potts compatibility on permutohedral lattices, in JAX.

A step of the iteration reads the messages at every pixel, decides anew how probable its
classes are, and spreads that over the lattices again. Between two steps only the values
at the lattices' corners are kept, so a pass over the pixels needs no memory of its own.
All sizes but `K` are rounded up, so that images of many sizes share a few programs.

Source: Kraehenbuehl and Koltun 2011, arXiv 1210.5644, algorithm 1, with the symmetric
normalisation of their later software (2013), K / sqrt(row sum) / sqrt(column sum).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from segjax.core.shapes import Array, Float, Int
from segjax.postprocess.lattice import Lattice
from segjax.postprocess.step import Shares

LEAST = 1e-5
"""A probability below it counts as this: the network's 0 is not beyond doubt."""


def run(
    shares: Shares,
    lattices: Sequence[Lattice],
    strengths: Sequence[float | int],
    iterations: int,
) -> Shares:
    """The probabilities after some steps.

    Args:
      shares: the network's.
      lattices: one a kernel, each of all pixels in the order of reading.
      strengths: weights of the kernels.
      iterations: steps.
    """
    height, width, K = shares.shape
    pixels = height * width
    room, _, T = lattices[0].corners.shape
    tiles = -(-pixels // T)
    padded = np.empty((room, T, K), np.float32)
    padded.reshape(-1, K)[:pixels] = shares.reshape(-1, K)
    padded.reshape(-1, K)[pixels : tiles * T] = 1
    found = mean_field(
        jnp.asarray(padded),
        [Kernel(*map(jnp.asarray, _roomy(lattice))) for lattice in lattices],
        jnp.asarray(strengths, jnp.float32),
        jnp.asarray(tiles),
        jnp.asarray(iterations),
    )
    return np.asarray(found).reshape(-1, K)[:pixels].reshape(height, width, K)


def _roomy(lattice: Lattice) -> tuple[np.ndarray, ...]:
    """Its arrays, with room for a corner that has no value, for absent neighbours."""
    more = (1 << lattice.size.bit_length()) - lattice.size
    beside = np.pad(
        lattice.beside, ((0, 0), (0, 0), (0, more)), constant_values=lattice.size
    )
    return lattice.corners, lattice.weights, beside


class Kernel(NamedTuple):
    """A lattice on the device; see `lattice.Lattice`."""

    corners: Int[Array, "tiles E T"]
    weights: Float[Array, "tiles E T"]
    beside: Int[Array, "E 2 rows"]


@jax.jit
def mean_field(
    shares: Float[Array, "tiles T K"],
    kernels: list[Kernel],
    strengths: Float[Array, "kernels"],
    tiles: Int[Array, ""],
    iterations: Int[Array, ""],
) -> Float[Array, "tiles T K"]:
    """The probabilities after `iterations` steps.

    Args:
      shares: the network's, of each tile of pixels.
      kernels: their lattices.
      strengths: their weights.
      tiles: how many hold pixels; the others are padding.
      iterations: steps.
    """
    logits = jnp.log(jnp.clip(shares, LEAST, 1))
    kernels = [_normalized(kernel, tiles) for kernel in kernels]
    nothing = [jnp.zeros((k.beside.shape[2], shares.shape[2])) for k in kernels]

    def decide(logits, tables, i):
        heard = [_read(t, k, i) for t, k in zip(tables, kernels, strict=True)]
        return jax.nn.softmax(logits[i] + sum(heard))

    def step(_, tables):
        def spread(i, new):
            shares = decide(logits, tables, i)
            return [_spread(t, k, i, shares) for t, k in zip(new, kernels, strict=True)]

        new = jax.lax.fori_loop(0, tiles, spread, nothing)
        blurred = [_blur(t, k) for t, k in zip(new, kernels, strict=True)]
        return [table * strengths[k] for k, table in enumerate(blurred)]

    tables = jax.lax.fori_loop(0, iterations, step, nothing)

    def answer(i, found):  # in the place of the logits, which no other tile needs
        return found.at[i].set(decide(found, tables, i))

    return jax.lax.fori_loop(0, tiles, answer, logits)


def _normalized(kernel, tiles):
    """With weights over the square root of what the filter makes of ones."""
    corners, weights, beside = kernel
    ones = jnp.ones((corners.shape[2], 1))
    table = jnp.zeros((beside.shape[2], 1))
    table = jax.lax.fori_loop(
        0, tiles, lambda i, new: _spread(new, kernel, i, ones), table
    )
    table = _blur(table, kernel)

    def scale(i, found):
        sums = _read(table, kernel, i)[:, 0]
        return found.at[i].multiply(jax.lax.rsqrt(sums + 1e-20))

    weights = jax.lax.fori_loop(0, tiles, scale, weights)
    return Kernel(corners, weights, beside)


def _spread(table, kernel, i, values):
    """Add the values of tile `i` of the pixels to their corners."""

    def one(table, edge):
        at, weight = edge
        # XLA on a CPU melts a product into the addition behind it, which is then ten
        # times as slow; out of a branch, which is always taken, it comes as an array.
        product = jax.lax.cond(
            at[0] >= 0, lambda: weight[:, None] * values, lambda: values
        )
        return table.at[at].add(product), None

    edges = kernel.corners[i], kernel.weights[i]
    return jax.lax.scan(one, table, edges)[0]


def _read(table, kernel, i):
    """The values at tile `i` of the pixels."""
    edges = zip(kernel.corners[i], kernel.weights[i], strict=True)
    return sum(weight[:, None] * table[at] for at, weight in edges)


def _blur(table, kernel):
    """Along each axis by (1/2, 1, 1/2), then scaled as in their software."""

    def along(table, sides):
        return table + 0.5 * (table[sides[0]] + table[sides[1]]), None

    table, _ = jax.lax.scan(along, table, kernel.beside)
    return table / (1 + 2.0 ** (1 - len(kernel.beside)))
