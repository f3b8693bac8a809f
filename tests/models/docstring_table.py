"""The table of stages in a model's docstring, against the model."""

import re

import jax
import jax.numpy as jnp
import numpy as np

from segjax.train.init import count_parameters


def shapes(model, *size: int) -> tuple[dict, dict]:
    """Variables and every module's output, as shapes; `size` is `(H, W, C)`."""

    def init():
        keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        return model.init_with_output(
            keys, jnp.zeros((1, *size)), capture_intermediates=True, mutable=True
        )[1]

    variables = dict(jax.eval_shape(init))
    return variables, variables.pop("intermediates")


def filled(model, *size: int) -> dict:
    """Variables of small random numbers, made without compiling an initialiser."""
    rng = np.random.default_rng(0)

    def numbers(path, leaf):
        noise = rng.standard_normal(leaf.shape, dtype=np.float32)
        if path[-1].key in ("scale", "var"):
            return 1 + 0.1 * np.abs(noise)
        return noise / max(1, np.prod(leaf.shape[:-1])) ** 0.5

    return jax.tree_util.tree_map_with_path(numbers, shapes(model, *size)[0])


def assert_table_is_true(model, *size: int) -> dict:
    """Every row, that no parameter stands outside the rows, and the total.

    Returns:
      The variables, as shapes.
    """
    variables, outputs = shapes(model, *size)
    number = r"([\d,]+)$"
    rows = re.findall(
        rf"^ +([\w/]+) +(\d+) x (\d+) x (\d+) +{number}", type(model).__doc__, re.M
    )
    (total,) = re.findall(rf"^ +total +{number}", type(model).__doc__, re.M)
    seen = 0
    for path, *shape, count in rows:
        made, output = variables["params"], outputs
        for name in path.split("/"):
            made, output = made[name], output[name]
        # A module that gives several things shows one of them.
        given = [leaf.shape for leaf in jax.tree.leaves(output["__call__"][0])]
        assert (1, *map(int, shape)) in given, path
        assert count_parameters(made) == int(count.replace(",", "")), path
        seen += count_parameters(made)
    assert seen == count_parameters(variables["params"])
    assert seen == int(total.replace(",", ""))
    return variables
