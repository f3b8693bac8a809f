"""The command `segjax plan`: what it says, and what it refuses."""

import pytest

from segjax.commands import plan as command

CONFIG = ("--config=configs/streets_unet.py:quick", "--config.input.batch_size=8")
TINY = ("--config.model.depth=1", "--config.input.train_ops=crop(16,16)|normalize()")


@pytest.fixture(scope="module", autouse=True)
def in_the_repository():
    with pytest.MonkeyPatch.context() as patch:
        from pathlib import Path

        patch.chdir(Path(__file__).resolve().parents[2])
        yield


def test_it_plans_a_config_without_its_data(call):
    code, out, err = call("plan", *CONFIG, *TINY, "--classes", 5, "--json")
    assert code == 0
    assert out["batch"] == [8, 16, 16, 3]
    assert out["step_seconds"] is None
    assert out["train_bytes"] > out["state_bytes"] > 4 * out["parameters"]
    assert "by XLA's analysis" in err
    assert "--time measures it" in err


def test_it_tells_what_fits(call, monkeypatch):
    from segjax.train import plan

    whole = plan.resident.Resident(300 << 20, 400 << 20, 50 << 20)
    of = plan.Plan(
        1, 0, (8, 16, 16, 3), 1, 2.0, 3 << 20, 1 << 20, whole, 0.5, 0.25, 500.5
    )
    monkeypatch.setattr(plan, "of", lambda *_, **__: of)
    monkeypatch.setattr(
        plan, "largest_batch", lambda *_, **__: plan.Largest(40, 7 << 20, True, 4)
    )
    monkeypatch.setattr(
        plan, "largest_size", lambda *_, **__: plan.Largest(None, 9 << 20, True, 3)
    )
    code, out, _ = call("plan", *CONFIG, "--memory", "8MiB")
    assert code == 0
    assert "250 ms, 32.0 images/s" in out
    assert "8:20 with the compilation" in out
    assert "400 MiB, 300 MiB of it libraries and programs, and up to 50 MiB" in out
    assert "40: needs 7 MiB of 8 MiB; the next is too large; 4 programs" in out
    assert "none fits 8 MiB; the smallest compiled needs 9 MiB" in out


@pytest.mark.parametrize(
    ("text", "amount"),
    [("8GiB", 8 << 30), ("500M", 500 << 20), ("1.5 G", 3 << 29), ("8e9", 8 * 10**9)],
)
def test_sizes_of_memory_are_read(text, amount):
    assert command._bytes(text) == amount


@pytest.mark.parametrize("text", ["much", "8 GB s", "0", "-1G", "1.2.3G"])
def test_what_is_no_size_is_refused(call, text):
    code, _, err = call("plan", *CONFIG, f"--memory={text}")
    assert code == 2
    assert "write 8GiB or 500MiB" in err


def test_a_missing_data_set_is_said(call, tmp_path):
    words = ("--config=configs/camvid_unet.py", f"--config.data.root={tmp_path}/none")
    code, _, err = call("plan", *words)
    assert code == 2
    assert "none" in err
