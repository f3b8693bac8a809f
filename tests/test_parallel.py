"""Clusters are recognised, batches are split, trees come home."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax import parallel
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4"}, None),  # a shell in a job
        ({"SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"SLURM_STEP_NUM_TASKS": "2"}, {}),
        ({"TPU_WORKER_HOSTNAMES": "a"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, {}),
        ({"MEGASCALE_COORDINATOR_ADDRESS": "a:1"}, {}),
        ({"JOB_COMPLETION_INDEX": "0"}, None),
        (
            {
                "JOB_COMPLETION_INDEX": "1",
                "JAX_NUM_PROCESSES": "2",
                "JAX_COORDINATOR_ADDRESS": "a:9",
            },
            dict(coordinator_address="a:9", num_processes=2, process_id=1),
        ),
        (
            {
                "JOB_COMPLETION_INDEX": "1",
                "NUM_PROCESSES": "2",
                "JOBSET_NAME": "set",
                "REPLICATED_JOB_NAME": "train",
            },
            dict(
                coordinator_address="set-train-0-0.set:8476",
                num_processes=2,
                process_id=1,
            ),
        ),
    ],
)
def test_a_cluster_is_recognised(environ, expected):
    assert parallel.cluster(environ) == expected


def test_flags_win_and_come_together():
    slurm = {"SLURM_STEP_NUM_TASKS": "8"}
    given = dict(coordinator_address="a:1", num_processes=2, process_id=0)
    assert parallel.cluster(slurm, "a:1", 2, 0) == given
    with pytest.raises(UserError, match="only some are given"):
        parallel.cluster(slurm, "a:1", None, 0)


def test_a_kubernetes_job_without_an_address_is_refused():
    environ = {"JOB_COMPLETION_INDEX": "1", "JAX_NUM_PROCESSES": "2"}
    with pytest.raises(UserError, match="JAX_COORDINATOR_ADDRESS"):
        parallel.cluster(environ)


def test_a_batch_is_split_over_the_devices():
    mesh = parallel.make_mesh()
    rows = np.arange(16 * 3, dtype=np.uint8).reshape(16, 1, 1, 3)
    batch = parallel.put_batch(mesh, {IMAGE: rows, INDEX: np.arange(16)})
    assert batch[INDEX].dtype == jnp.int32
    assert batch[IMAGE].dtype == jnp.uint8
    for i, shard in enumerate(batch[IMAGE].addressable_shards):
        assert np.array_equal(shard.data, rows[2 * i : 2 * i + 2])
    assert np.array_equal(batch[IMAGE], rows)


def test_a_tree_comes_to_other_devices():
    value = np.arange(5.0, dtype=np.float32)
    everywhere = jax.device_put(value, parallel.replicated(parallel.make_mesh()))
    few = parallel.make_mesh(jax.devices()[:2])
    moved = parallel.localize({"a": everywhere}, few)["a"]
    assert moved.sharding == parallel.replicated(few)
    assert np.array_equal(moved, value)


def test_one_process_is_alone():
    rows = np.arange(6, dtype=np.int32).reshape(3, 2)
    assert parallel.process_index() == 0
    assert np.array_equal(parallel.gather_rows(rows), rows)
    assert parallel.agree(15) == 15
    assert len(parallel.visible_devices()) == 8
