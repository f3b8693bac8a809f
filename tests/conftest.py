"""Eight fake CPU devices, quick compiles, shape checks on, grain's flags parsed."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8"
    + " --xla_backend_optimization_level=0"
)

from jaxtyping import install_import_hook

install_import_hook("segjax", "beartype.beartype")


def pytest_configure(config):
    """grain's worker processes read absl's flags, which pytest does not parse."""
    from absl import flags

    flags.FLAGS.mark_as_parsed()
