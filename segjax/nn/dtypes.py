"""The dtype policy: what the network computes in; parameters stay float32."""

from typing import Literal

import jax.numpy as jnp

DtypeName = Literal["float32", "bfloat16"]


def compute_dtype(name: DtypeName) -> jnp.dtype:
    """The dtype of activations; logits, losses and statistics are float32 always."""
    return jnp.dtype({"float32": jnp.float32, "bfloat16": jnp.bfloat16}[name])
