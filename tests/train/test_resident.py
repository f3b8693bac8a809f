"""The memory of a process is the sum of its parts, where it can be known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.train import cost, resident

MIB = 2**20


@pytest.fixture(scope="module")
def compiled():
    big = jax.ShapeDtypeStruct((256, 1024), np.float32)
    return jax.jit(lambda x: jnp.sort(x @ x.T).sum()).lower(big).compile()


@pytest.fixture
def known(monkeypatch):
    """A process of 300 MiB, of which the test asks for the first time."""
    monkeypatch.setattr(resident.ram, "taken", lambda: 300 * MIB)
    resident._own.cache_clear()
    yield
    resident._own.cache_clear()


@pytest.mark.parametrize("keeps", [True, False])
def test_its_parts_add_up(compiled, known, monkeypatch, keeps):
    monkeypatch.setattr(resident.heap, "keep_freed", lambda: keeps)
    batch = {"image": np.zeros((4, MIB), np.uint8), "label": np.zeros(MIB, np.uint8)}
    found = resident.of(compiled, batch)
    devices, waiting = jax.device_count(), 8 + 2 + 1
    assert found.own == 300 * MIB
    step = devices * cost.peak_bytes(compiled)
    assert found.total == found.own + step + waiting * 5 * MIB + resident.OTHERS
    temporary = compiled.memory_analysis().temp_size_in_bytes
    assert temporary > 0
    assert found.kept == keeps * resident.KEPT * devices * temporary
    # after more programs were compiled
    monkeypatch.setattr(resident.ram, "taken", lambda: 900 * MIB)
    assert resident.of(compiled, batch).own == 300 * MIB


def test_elsewhere_it_is_not_known(compiled, monkeypatch):
    monkeypatch.setattr(resident.jax, "default_backend", lambda: "gpu")
    assert resident.of(compiled, {}) is None
