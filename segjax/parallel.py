"""Processes, devices and where arrays lie; the only file that names a device axis.

The train step is written for the global batch: `jit` splits it over the mesh, so batch
norm and the mean of the loss are over all devices without a named axis.
"""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from segjax.core.errors import EnvironmentFault, UserError

DATA = "data"
COORDINATOR_PORT = 8476


def cluster(
    environ: Mapping[str, str],
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> dict[str, Any] | None:
    """The arguments of `jax.distributed.initialize`, or None for a single process.

    Flags win; then SLURM (under `srun` with several tasks), a Kubernetes indexed job
    or JobSet, a TPU pod. An empty dict lets JAX read the cluster's own variables.

    Raises:
      UserError: some of the three flags are given and others are not.
    """
    flags = (coordinator, num_processes, process_id)
    if any(f is not None for f in flags):
        if any(f is None for f in flags):
            raise UserError(
                "--coordinator, --num_processes, --process_id: only some are given; "
                "give all three, or none to detect the cluster."
            )
        return dict(
            coordinator_address=coordinator,
            num_processes=num_processes,
            process_id=process_id,
        )
    if int(environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return {}
    if "JOB_COMPLETION_INDEX" in environ:
        return _kubernetes(environ)
    hosts = environ.get("TPU_WORKER_HOSTNAMES", "")
    if "," in hosts or "MEGASCALE_COORDINATOR_ADDRESS" in environ:
        return {}
    return None


def _kubernetes(environ: Mapping[str, str]) -> dict[str, Any] | None:
    """An indexed Job gives the index; JobSet the address; the template the count."""
    count = int(environ.get("JAX_NUM_PROCESSES", environ.get("NUM_PROCESSES", 1)))
    if count == 1:
        return None
    address = environ.get("JAX_COORDINATOR_ADDRESS")
    if address is None and "JOBSET_NAME" in environ:
        jobset, job = environ["JOBSET_NAME"], environ["REPLICATED_JOB_NAME"]
        address = f"{jobset}-{job}-0-0.{jobset}:{COORDINATOR_PORT}"
    if address is None:
        raise UserError(
            "JAX_COORDINATOR_ADDRESS: is not set in this Kubernetes job of "
            f"{count} processes; set it to HOST:PORT of the pod with index 0."
        )
    return dict(
        coordinator_address=address,
        num_processes=count,
        process_id=int(environ["JOB_COMPLETION_INDEX"]),
    )


def initialize(arguments: dict[str, Any] | None) -> None:
    """Join the other processes, if there are any; call it before any device is used.

    Raises:
      EnvironmentFault: the coordinator did not answer.
    """
    if arguments is None:
        return
    if jax.config.jax_platforms in ("cpu", None):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**arguments)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise EnvironmentFault(
            f"jax.distributed: could not join the cluster ({first}); check that the "
            "coordinator runs and that its port is open."
        ) from error


def is_cluster() -> bool:
    """Whether this process has joined others; no device is touched."""
    return jax.distributed.is_initialized()


def process_index() -> int:
    """The number of this process; of a single one it is known without a device."""
    return jax.process_index() if is_cluster() else 0


def make_mesh(devices: list[jax.Device] | None = None) -> Mesh:
    """A one-dimensional mesh over all devices of all processes, or over `devices`."""
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), (DATA,), axis_types=(AxisType.Auto,))


def local_mesh() -> Mesh:
    """A mesh over this process's devices alone, for work without collectives."""
    return make_mesh(jax.local_devices())


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def along_batch(mesh: Mesh) -> NamedSharding:
    """The first axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA))


def put_batch(mesh: Mesh, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """This process's part of a batch -> the global batch, split over the mesh.

    64-bit integers become 32-bit, as JAX has them.
    """
    sharding = along_batch(mesh)

    def put(x: np.ndarray) -> jax.Array:
        x = x.astype(np.int32) if x.dtype == np.int64 else x
        return jax.make_array_from_process_local_data(sharding, x)

    return {key: put(np.asarray(value)) for key, value in batch.items()}


def abstract_batch(
    mesh: Mesh, batch: Mapping[str, np.ndarray]
) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes, dtypes and shardings of `put_batch`, to compile for."""
    sharding, count = along_batch(mesh), jax.process_count()

    def shape(x: np.ndarray) -> jax.ShapeDtypeStruct:
        dtype = np.int32 if x.dtype == np.int64 else x.dtype
        rows = (len(x) * count, *x.shape[1:])
        return jax.ShapeDtypeStruct(rows, dtype, sharding=sharding)

    return {key: shape(np.asarray(value)) for key, value in batch.items()}


def localize(tree: Any, mesh: Mesh) -> Any:
    """A replicated tree of the global mesh -> the same values on `local_mesh`."""
    target = replicated(mesh)

    def move(x: jax.Array) -> jax.Array:
        return jax.device_put(x.addressable_data(0), target)

    return jax.tree.map(move, tree)


def gather_rows(rows: np.ndarray) -> np.ndarray:
    """The int32 rows of every process, stacked in process order; all get the same.

    Processes may hold different numbers of rows, also none.
    """
    if jax.process_count() == 1:
        return rows
    lengths = multihost_utils.process_allgather(np.asarray(len(rows), np.int32))
    padded = np.zeros((int(lengths.max()), *rows.shape[1:]), np.int32)
    padded[: len(rows)] = rows
    parts = multihost_utils.process_allgather(padded)
    return np.concatenate([p[:n] for p, n in zip(parts, lengths, strict=True)])


def agree(flag: int) -> int:
    """The largest of the processes' flags, so that all act on it at the same step."""
    if jax.process_count() == 1:
        return flag
    return int(multihost_utils.process_allgather(np.asarray(flag, np.int32)).max())


def same_everywhere(text: str) -> bool:
    """Whether all processes call this with the same text."""
    if jax.process_count() == 1:
        return True
    head = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.int32)
    return bool((gather_rows(head[None]) == head).all())


def visible_devices() -> list[str]:
    """One line a device, for the record."""
    return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]


def allow_fake_devices(count: int) -> None:
    """Split the CPU into `count` devices; only before JAX has started."""
    flag = f"--xla_force_host_platform_device_count={count}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
