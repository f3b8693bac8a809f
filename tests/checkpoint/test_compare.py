import numpy as np
import pytest

from segjax.checkpoint import Checkpoints, arrays
from segjax.core.errors import UserError


@pytest.fixture
def saved(tmp_path, make, meta, monkeypatch):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, meta)

    def read(*_):
        raise AssertionError("an array was read before the comparison")

    monkeypatch.setattr(arrays, "read", read)
    return tmp_path


def refusal(saved, target, meta):
    with Checkpoints(saved) as checkpoints, pytest.raises(UserError) as caught:
        checkpoints.restore(None, target, meta=meta)
    return caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "segnet"}, "model 'unet' saved, 'segnet' wanted"),
        ({"task": "binary"}, "task 'multiclass' saved, 'binary' wanted"),
        ({"class_names": ("road", "sky")}, "3 classes saved, 2 wanted"),
        (
            {"class_names": ("sky", "road", "tree")},
            "class 0 'road' saved, 'sky' wanted, class 1 'sky' saved, 'road' wanted",
        ),
    ],
)
def test_another_run_is_refused(saved, make, meta, change, words):
    error = refusal(saved, make(0), meta | change)
    assert words in str(error)
    assert str(saved) in str(error)
    assert len(error.problems) == 1


def test_what_may_change_may_change(tmp_path, make, meta):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, make(1), {}, meta)
        other = meta | {"config_digest": "1" * 64, "batch_size": 4}
        assert checkpoints.restore(None, make(0), meta=other)[2] == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            lambda make: make(0, classes=5),
            "params/head/bias float32[3] saved, float32[5] wanted",
        ),
        (
            lambda make: make(0).replace(step=np.int64(0)),
            "1 arrays differ: step int32[] saved, int64[] wanted",
        ),
        (
            lambda make: make(0).replace(batch_stats={}),
            "2 arrays of the checkpoint are not in the model: batch_stats/down0/norm0/",
        ),
        (
            lambda make: make(0, ema=True),
            "5 arrays of the model are not in the checkpoint: ema/batch_stats/down0/",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(saved, make, meta, target, words):
    assert words in str(refusal(saved, target(make), meta))


def test_all_problems_come_at_once_and_are_capped(saved, make, meta):
    error = refusal(
        saved,
        {f"other{i:02}": np.zeros(3) for i in range(20)},
        meta | {"model": "segnet", "task": "binary"},
    )
    assert len(error.problems) == 4
    assert "20 arrays of the model are not in the checkpoint: other00" in str(error)
    assert "and 14 more" in str(error)
    assert max(map(len, str(error).splitlines())) < 600


def test_a_shape_that_could_be_padded_or_cast_is_not(saved, make, meta):
    target = make(0)
    kernel = target.params["head"]["kernel"]
    target.params["head"]["kernel"] = kernel.astype(np.float16)
    assert "float32[1,1,4,3] saved, float16" in str(refusal(saved, target, meta))
    target.params["head"]["kernel"] = kernel.reshape(1, 4, 1, 3)
    assert "float32[1,4,1,3] wanted" in str(refusal(saved, target, meta))
