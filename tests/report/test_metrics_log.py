"""The log of a run that was killed and resumed is the log of one that was not."""

import json
import math

import numpy as np
import pytest

from segjax.core.errors import EnvironmentFault, UserError
from segjax.report.metrics_log import MetricsLog, read

NUM_STEPS = 40


def _run(path, start_step, num_steps=NUM_STEPS):
    """Rows that are a function of the step alone, as in a deterministic run."""
    with MetricsLog(path, start_step) as log:
        for step in range(start_step + 1, num_steps + 1):
            loss = np.float32(np.sin(step))
            log.write(step, "train", loss=loss, learning_rate=0.1 / step)
            if step % 5 == 0:
                log.write(step, "val", miou=math.nan if step == 5 else step / 100)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    _run(path, 0)
    return path.read_bytes()


def _end_of_step(text, step):
    """The length of the log when everything of `step` is written."""
    size = 0
    for line in text.splitlines(keepends=True):
        if json.loads(line)["step"] <= step:
            size += len(line)
    return size


@pytest.mark.parametrize("checkpoint", [0, 1, 10, 37, 40])
def test_killed_at_any_byte_and_resumed(tmp_path, whole, checkpoint):
    committed = _end_of_step(whole, checkpoint)
    sizes = np.random.default_rng(checkpoint).integers(committed, len(whole) + 1, 20)
    for size in [committed, len(whole) - 1, len(whole), *sizes.tolist()]:
        path = tmp_path / "metrics.jsonl"
        path.write_bytes(whole[: max(size, committed)])
        _run(path, checkpoint)
        assert path.read_bytes() == whole


def test_a_row_without_its_newline_is_kept(tmp_path, whole):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(whole[: _end_of_step(whole, 3) - 1])
    _run(path, 3)
    assert path.read_bytes() == whole


def test_zeros_after_a_power_loss_are_cut(tmp_path, whole):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(whole[: _end_of_step(whole, 10)] + b"\0" * 100)
    _run(path, 10)
    assert path.read_bytes() == whole


def test_read_gives_floats_and_leaves_a_torn_line_out(tmp_path, whole):
    path = tmp_path / "metrics.jsonl"
    assert read(path) == []
    path.write_bytes(whole + b'{"step": 41, "ki')
    rows = read(path)
    assert [r["step"] for r in rows if r["kind"] == "train"] == list(range(1, 41))
    assert math.isnan(next(r["miou"] for r in rows if r["step"] == 5 and "miou" in r))
    assert rows[0]["loss"] == float(str(np.float32(np.sin(1))))


def test_every_line_is_standard_json_with_sorted_names(whole):
    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    for line in whole.decode().splitlines():
        row = json.loads(line, parse_constant=refuse)
        assert list(row) == ["step", "kind", *sorted(set(row) - {"step", "kind"})]


def test_a_row_is_on_the_file_at_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path) as log:
        log.write(1, "train", loss=1.0)
        assert len(read(path)) == 1
        log.sync()


@pytest.mark.parametrize("line", [b"{", b'{"kind": "train"}', b"[1]", b"\xff"])
def test_damage_in_the_middle_is_refused_by_line(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    good = b'{"step": 1, "kind": "train"}\n'
    path.write_bytes(good + line + b"\n" + good)
    for use in (read, MetricsLog):
        with pytest.raises(UserError, match="line 2 of 3"):
            use(path)


def test_a_full_disk_is_a_fault_of_the_environment(tmp_path):
    with MetricsLog(tmp_path / "metrics.jsonl") as log:
        log._file.close()
        log._file = open("/dev/full", "ab", buffering=0)  # noqa: SIM115
        with pytest.raises(EnvironmentFault, match="No space left"):
            log.write(1, "train", loss=1.0)
