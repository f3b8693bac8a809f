"""ConvLSTM: an LSTM over the frames of a clip whose products are convolutions.

One step, from cell `c` and state `h` with the frame `x`; `*` convolves, `.` multiplies
a channel, `s` is the logistic function:

    i, g, f, o = split(W_x * x + W_h * h + b)          the order of the channels
    i, f       = s(i + p_i . c), s(f + p_f . c)        p only with peepholes
    c          = f c + i tanh(g)
    h          = s(o + p_o . c) tanh(c)

`W_x * x` needs no earlier frame, so it is one convolution over all frames before the
scan; the scan holds the convolution of the state alone.

Source: Shi et al., Convolutional LSTM Network: A Machine Learning Approach for
  Precipitation Nowcasting, 2015, arXiv 1506.04214, equation 3; forget bias of 1:
  Jozefowicz et al., An Empirical Exploration of Recurrent Network Architectures, 2015;
  norms: Ba et al., Layer Normalization, 2016, arXiv 1607.06450, equations 20 to 22;
  remat: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016, arXiv
  1604.06174.
Differs: a peephole is one weight a channel, so that any height and width works; the
  paper's parameter counts are those of one a channel too. The layer norms scale and do
  not shift, for `b` does.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from segjax.core.errors import UserError
from segjax.nn.backend import on_cpu
from segjax.nn.conv import convolve

Carry = tuple[Float[Array, "_ _ _ _"], Float[Array, "_ _ _ _"]]
"""Cell `c`, float32 whatever the computation is in, and state `h`: `(B, h, w, F)`."""

GATES = ("i", "g", "f", "o")
"""Input gate, candidate, forget gate, output gate: quarters of the gates' channels."""


class Weights(NamedTuple):
    """What a step needs beside the input's share of the gates.

    Attributes:
      state_kernel: `(k, k, F, 4F)`.
      bias: `(4F,)`.
      peepholes: of `i`, `f` and `o`, `(F,)` each; None without.
      scales: of the layer norms of the state's share `(4F,)` and of the cell `(F,)`;
        None without.
    """

    state_kernel: Float[Array, "k k F G"]
    bias: Float[Array, " G"]
    peepholes: tuple[Array, Array, Array] | None = None
    scales: tuple[Array, Array] | None = None


UNROLLED = 8
"""Frames up to which a CPU runs a clip without a loop: 1.1 times as quick at four."""


def step(
    carry: Carry | None, share: Float[Array, "B h w G"] | None, weights: Weights
) -> Carry:
    """The carry after one more frame; its `h` is the output.

    Args:
      carry: before the frame; None stands for zeros, which need no convolution.
      share: of the input in the gates, `W_x * x`; None where there is no input.
      weights: of the layer.
    """
    c, h = carry or (None, None)
    dtype, gates = (share if h is None else h).dtype, 0
    if h is not None:
        kernel = weights.state_kernel.astype(dtype)
        gates = convolve(h, kernel, in_loop=True).astype(c.dtype)
        if weights.scales:
            gates = layer_norm(gates, weights.scales[0])
    if share is not None:
        gates = gates + share.astype(weights.bias.dtype)
    # in float32, or the bias's gradient would be a long sum in bfloat16
    i, g, f, o = jnp.split(gates + weights.bias, 4, axis=-1)
    if weights.peepholes and c is not None:
        i, f = i + weights.peepholes[0] * c, f + weights.peepholes[1] * c
    kept = 0 if c is None else nn.sigmoid(f) * c
    c = kept + nn.sigmoid(i) * jnp.tanh(g)
    if weights.peepholes:
        o = o + weights.peepholes[2] * c
    seen = layer_norm(c, weights.scales[1]) if weights.scales else c
    return c, (nn.sigmoid(o) * jnp.tanh(seen)).astype(dtype)


class ConvLSTM(nn.Module):
    """Runs over the frames of a clip from a carry to a carry.

    It has `4F (k^2 (C + F) + 1)` parameters, as in Keras; 3F more with peepholes. None
    depends on T, H or W, and neither does the carry on T: a clip in pieces, each from
    the carry of the last, gives what the whole clip gives.

    Attributes:
      features: channels `F` of cell and state.
      kernel: side of the convolution of the input; odd.
      state_kernel: side of the convolution of the state; as `kernel` if None.
      peepholes: whether the gates see the cell.
      norm: `layer` normalises both shares of the gates, and the cell before the
        output, over channels; `none`. Batch norm belongs outside the recurrence.
      forget_bias: what the forget gate's bias starts from.
      remat: keep the carries between pieces of `ceil(sqrt(T))` frames in training, and
        compute the rest again on the way back: memory grows with the root of T.
      dtype: dtype of the convolutions and of `h`.
    """

    features: int
    kernel: int = 3
    state_kernel: int | None = None
    peepholes: bool = False
    norm: Literal["layer", "none"] = "none"
    forget_bias: float = 1.0
    remat: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        frames: Float[Array, "B T h w C"] | int,
        carry: Carry | None = None,
        reset: Bool[Array, "B T"] | None = None,
    ) -> tuple[Float[Array, "B T h w F"], Carry]:
        """The state `h` after each frame, and the last carry.

        Args:
          frames: the clip; or T, to go on from `carry` for so many frames without an
            input (then there is no `input_kernel`).
          carry: from the frames before; zeros if None.
          reset: where a frame is the first of a new clip: the carry before it is zero.
        """
        F, no_input = self.features, isinstance(frames, int)
        if no_input and carry is None:
            raise UserError("ConvLSTM: frames without an input need a carry.")
        T = frames if no_input else frames.shape[1]
        kernel_init = nn.initializers.glorot_uniform()
        kernel = None
        if not no_input:
            shape = (self.kernel, self.kernel, frames.shape[-1], 4 * F)
            kernel = self.param("input_kernel", kernel_init, shape)
        side = self.state_kernel or self.kernel
        weights = Weights(
            self.param("state_kernel", kernel_init, (side, side, F, 4 * F)),
            self.param("bias", self._bias, (4 * F,)),
            self._peepholes() if self.peepholes else None,
            self._scales() if self.norm == "layer" else None,
        )
        scale = None
        if self.norm == "layer" and not no_input:
            scale = self.param("input_scale", nn.initializers.ones, (4 * F,))

        def run(carry, piece, length):
            return _run(carry, *piece, length, kernel, scale, weights)

        piece = (None if no_input else frames.astype(self.dtype), reset)
        if carry is None and not (self.remat and T > 1):
            return run(None, piece, T)
        wide = jnp.promote_types(self.dtype, jnp.float32)
        if carry is None:
            shape = (*frames.shape[:1], *frames.shape[2:4], F)
            carry = jnp.zeros(shape, wide), jnp.zeros(shape, self.dtype)
        elif not no_input:
            _check_carry(carry, (*frames.shape[:1], *frames.shape[2:4], F))
        carry = carry[0].astype(wide), carry[1].astype(self.dtype)
        if self.remat and T > 1:
            return _run_in_pieces(run, carry, piece, T)
        return run(carry, piece, T)

    def _bias(self, key, shape):
        values = {"f": self.forget_bias}
        return jnp.repeat(
            jnp.array([values.get(gate, 0.0) for gate in GATES]), self.features
        )

    def _peepholes(self):
        zeros, shape = nn.initializers.zeros, (self.features,)
        return tuple(self.param(f"peephole_{gate}", zeros, shape) for gate in "ifo")

    def _scales(self):
        ones, F = nn.initializers.ones, self.features
        return (
            self.param("state_scale", ones, (4 * F,)),
            self.param("cell_scale", ones, (F,)),
        )


def layer_norm(x: Float[Array, "*b C"], scale: Float[Array, " C"]) -> Array:
    """Mean 0 and variance 1 over channels, times `scale`."""
    x = x - x.mean(-1, keepdims=True)
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale


def _run(carry, frames, reset, length, kernel, scale, weights):
    """All frames of a piece: `(h of each frame, last carry)`."""
    share = None
    if frames is not None:
        B, T = frames.shape[:2]
        # folded behind the batch, whose devices so keep whole clips
        folded = frames.reshape(B * T, *frames.shape[2:])
        share = convolve(folded, kernel.astype(frames.dtype), in_loop=True)  # of remat
        if scale is not None:
            share = layer_norm(share.astype(scale.dtype), scale)
        share = jnp.moveaxis(share.reshape(B, T, *share.shape[1:]), 1, 0)

    def body(carry, now):
        share, fresh = now
        if fresh is not None:
            fresh = fresh[:, None, None, None]
            carry = tuple(jnp.where(fresh, 0, x) for x in carry)
        carry = step(carry, share, weights)
        return carry, carry[1]

    moved, first = (share, None if reset is None else reset.T), []
    if carry is None:  # the first frame knows no state
        carry = step(None, share[0], weights)
        first, length = [carry[1][None]], length - 1
        moved = jax.tree.map(lambda x: x[1:], moved)
    short = on_cpu() and length <= UNROLLED
    carry, outputs = jax.lax.scan(body, carry, moved, length=length, unroll=short or 1)
    return jnp.moveaxis(jnp.concatenate([*first, outputs]), 0, 1), carry


def _run_in_pieces(run, carry, piece, T):
    """`run` over pieces of about the root of `T`, whose insides are not kept."""
    length = math.isqrt(T - 1) + 1
    whole, rest = divmod(T, length)

    def split(x):
        x = x[:, : whole * length]
        return jnp.moveaxis(x.reshape(x.shape[0], whole, length, *x.shape[2:]), 1, 0)

    # inside a scan nothing can merge the two computations, so no barrier is needed
    kept = functools.partial(jax.checkpoint, static_argnums=2)

    def body(carry, now):
        outputs, carry = kept(run, prevent_cse=False)(carry, now, length)
        return carry, outputs

    carry, outputs = jax.lax.scan(body, carry, jax.tree.map(split, piece), length=whole)
    outputs = jnp.moveaxis(outputs, 0, 1)
    outputs = outputs.reshape(outputs.shape[0], whole * length, *outputs.shape[3:])
    if rest:
        last = jax.tree.map(lambda x: x[:, whole * length :], piece)
        more, carry = kept(run)(carry, last, rest)
        outputs = jnp.concatenate([outputs, more], axis=1)
    return outputs, carry


def _check_carry(carry, shape):
    if carry[0].shape != shape or carry[1].shape != shape:
        raise UserError(
            f"ConvLSTM: the carry is {carry[0].shape} and the frames need {shape}. "
            "Go on with frames of the same batch and size, or start without a carry."
        )
