"""Memory that steps leave behind goes back where it is scarce."""

import platform

import pytest

from segjax.core import heap, ram
from segjax.train import memory


def test_memory_is_given_back_where_a_process_has_grown_and_it_is_scarce(monkeypatch):
    def step(state, batch):
        return state + 1, {"loss": -batch}

    assert memory.watched(step) is step  # nothing is kept in this suite
    monkeypatch.delenv("SEGJAX_KEEP_FREED")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    given, sizes, waited, left = [], [], [], 399
    monkeypatch.setattr(heap, "give_back", lambda: given.append(len(sizes)))
    monkeypatch.setattr(ram, "taken", lambda: sizes[-1] << 20)
    monkeypatch.setattr(ram, "left", lambda: left << 20)
    monkeypatch.setattr(memory.jax, "block_until_ready", waited.append)
    watched, state = memory.watched(step), 0
    # Steps as they are; a second piece; as they are; a cache that is full from now on.
    for size in (100, 100, 300, 400, 100, 100, 700, 700, 700, 700, 700, 900):
        sizes.append(size)
        state, scalars = watched(state, size)
        assert (state, scalars) == (len(sizes), {"loss": -size})
    assert given == [4, 7, 8, 9]
    assert waited == [{"loss": -size} for size in sizes[:-1]]
    left = 1300  # as much as it holds then
    for size in (1300, 1301, 1302):
        sizes.append(size)
        watched(state, size)
    assert given == [4, 7, 8, 9, 14, 15]


@pytest.mark.parametrize("backend", ["gpu", "tpu"])
def test_steps_of_an_accelerator_are_left_alone(monkeypatch, backend):
    monkeypatch.delenv("SEGJAX_KEEP_FREED")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(memory.jax, "default_backend", lambda: backend)
    assert memory.watched(max) is max
