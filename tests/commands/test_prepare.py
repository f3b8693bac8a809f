"""`segjax prepare`, and a training that reads what it wrote."""

import pytest

from segjax.core.keys import IMAGE
from segjax.data import datasets

STREETS = ("--dataset", "streets", "--option", "size=(40, 56)")
FEW = (*STREETS, "--option", "num_train=4", "--option", "num_val=2")


def test_the_splits_are_written_and_read(call, tmp_path):
    out = str(tmp_path / "made")
    code, found, _ = call("prepare", *FEW, "--out", out, "--short", "20", "--json")
    assert code == 0
    assert [(row["split"], row["examples"]) for row in found["splits"]] == [
        ("train", 4),
        ("val", 2),
    ]
    made = datasets.make("prepared", "val", root=out)
    assert made[1][IMAGE].shape == (20, 28, 3)
    code, _, err = call("prepare", *FEW, "--out", out, "--short", "20")
    assert code == 2 and "holds the split 'train' already" in err


def test_a_config_names_the_data(call, tmp_path):
    file = "configs/streets_unet.py:quick"
    words = ("prepare", "--config", file, "--out", str(tmp_path / "made"))
    code, found, _ = call(*words, "--splits", "val", "--compression", "none", "--json")
    assert code == 0 and found["splits"][0]["examples"] == 3


@pytest.mark.parametrize(
    "words, message",
    [
        (("--dataset", "streats"), "Did you mean 'streets'"),
        ((*FEW, "--splits", "val", "val"), "stands twice"),
        ((*FEW, "--size", "8", "8", "--short", "4"), "one of them"),
        ((*FEW, "--splits", "vall"), "no such split"),
    ],
)
def test_mistakes_are_explained(call, tmp_path, words, message):
    code, _, err = call("prepare", *words, "--out", str(tmp_path / "made"))
    assert code == 2 and message in err
    assert not (tmp_path / "made").exists()
