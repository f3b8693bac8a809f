"""Parts of a model that do not change: no gradient for them, no new statistics.

The optimiser leaves frozen parameters alone (`optim.make(freeze=...)`). Batch norm has
running averages beside them, which the forward pass moves: a frozen norm must run with
these averages, in training too, or the frozen part would compute something else for
each batch. The train step applies the model so::

    with nn.intercept_methods(frozen.interceptor(freeze)):
        model.apply({"params": frozen.stop(params, freeze), ...}, train=True, ...)
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import flax.linen as nn
import jax

from segjax.optim import masks

STATISTICS = ("mean", "var")


def interceptor(patterns: tuple[str, ...]) -> Callable:
    """For `nn.intercept_methods`: frozen batch norms use their running averages.

    Args:
      patterns: as of `optim.make(freeze=...)`, regular expressions; a norm is frozen if
        one is found in the path of its statistics, `backbone/stage1/norm/mean`.
    """
    search = [re.compile(pattern).search for pattern in patterns]

    def intercept(call, args, kwargs, context):
        module = context.module
        if isinstance(module, nn.BatchNorm) and context.method_name == "__call__":
            paths = ["/".join((*module.path, name)) for name in STATISTICS]
            if any(find(path) for find in search for path in paths):
                # The field outranks an argument, and flax refuses to have both.
                object.__setattr__(module, "use_running_average", True)
                args, kwargs = args[:1], {**kwargs, "use_running_average": None}
        return call(*args, **kwargs)

    return intercept


def stop(params: Any, patterns: tuple[str, ...]) -> Any:
    """`params` with no gradient to the frozen ones, so that XLA computes none."""
    if not patterns:
        return params
    return jax.tree.map(
        lambda p, frozen: jax.lax.stop_gradient(p) if frozen else p,
        params,
        masks.make(patterns)(params),
    )


def problems(
    patterns: Iterable[str], *trees: Any, where: str = "config.optim.freeze"
) -> list[str]:
    """Patterns that no array of `trees` (parameters, statistics) has in its path."""
    paths = [
        masks.path_name(path)
        for tree in trees
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]
    modules = sorted({path.partition("/")[0] for path in paths})
    return [
        f"{where}={pattern!r}: is found in no path of the model; its modules "
        f"are {', '.join(modules)}. Mend or remove it."
        for pattern in patterns
        if not any(re.search(pattern, path) for path in paths)
    ]
