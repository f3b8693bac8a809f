"""Optimisers as gradient -> direction; the learning rate comes in afterwards."""

import optax

from segjax.core.tables import Table


def sgd(momentum: float = 0.9, nesterov: bool = False) -> optax.GradientTransformation:
    """Stochastic gradient descent: `v = momentum v + g`."""
    return optax.trace(decay=momentum, nesterov=nesterov)


def adam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam, with bias correction.

    Source: Kingma & Ba, Adam, 2015, arXiv:1412.6980, algorithm 1.
    """
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)


def adamw(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam whose weight decay is decoupled from the gradient.

    Source: Loshchilov & Hutter, Decoupled Weight Decay Regularization, 2019,
      arXiv:1711.05101, algorithm 2; the decay is scaled by the learning rate.
    """
    return optax.scale_by_adam(b1=b1, b2=b2, eps=eps)


def rmsprop(
    rho: float = 0.9, eps: float = 1e-8, momentum: float = 0.0
) -> optax.GradientTransformation:
    """RMSprop: the gradient over the root of its running mean square, then momentum.

    Source: Hinton, lecture 6e of Neural Networks for Machine Learning, 2012.
    """
    scale = optax.scale_by_rms(decay=rho, eps=eps)
    return optax.chain(scale, optax.trace(momentum)) if momentum else scale


OPTIMIZERS = Table(
    "optimizer", {"adam": adam, "adamw": adamw, "rmsprop": rmsprop, "sgd": sgd}
)

DECOUPLED = ("adamw",)
"""Weight decay joins the direction of these; of the others it joins the gradient."""

FUSED = ("adam", "adamw")
"""What `fused` can do, but for a decay that joins the gradient."""
