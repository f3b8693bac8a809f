"""Which parameters: boolean trees from a parameter's path or its rank."""

import re
from collections.abc import Callable
from typing import Any

import jax


def make(which: str | tuple[str, ...]) -> Callable[[Any], Any]:
    """`params -> tree of bools`.

    Args:
      which: `"all"`; `"kernels"`, the parameters of rank 2 and more (no bias, no scale
        of a norm); or regular expressions, of which one must be found in the
        parameter's path, such as `"down0/conv0/kernel"`.
    """
    if which == "all":
        return lambda params: jax.tree.map(lambda _: True, params)
    if which == "kernels":
        return lambda params: jax.tree.map(lambda p: p.ndim >= 2, params)
    patterns = [re.compile(p) for p in ((which,) if isinstance(which, str) else which)]

    def matches(path, _):
        text = path_name(path)
        return any(pattern.search(text) for pattern in patterns)

    return lambda params: jax.tree_util.tree_map_with_path(matches, params)


def path_name(path: tuple) -> str:
    """A parameter's path as text: `"down0/conv0/kernel"`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def problems(which: Any, where: str) -> list[str]:
    """Patterns that are no regular expressions, as messages."""
    found = []
    for pattern in (which,) if isinstance(which, str) else which:
        try:
            re.compile(pattern)
        except re.error as error:
            found.append(
                f"{where}={pattern!r}: is no regular expression ({error}); 'kernels', "
                "'all' and expressions found in parameter paths are allowed. Mend it."
            )
    return found
