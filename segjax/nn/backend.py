"""Which backend a layer is traced for, where that decides between equal forms."""

import jax


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU, as far as the default tells.

    Forms differ in speed alone, so a wrong guess costs time and nothing else.
    """
    return jax.default_backend() == "cpu"
