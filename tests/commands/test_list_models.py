"""`segjax models`: exact integers, FLOPs by hand, memory, layers."""

import pathlib

import pytest

from segjax.models import MODELS

README = pathlib.Path(__file__).parents[2] / "README.md"

DEEP = ("--classes", "1", "--size", "512", "512")


def test_every_model_stands_in_the_table_and_the_readme(call):
    code, found, _ = call("models", "--size", "64", "64", "--json")
    assert code == 0
    rows = {row["name"]: row for row in found["models"]}
    assert set(rows) == set(MODELS)
    assert all(row["source"] for row in rows.values())
    lines = README.read_text().split("## Models")[1].split("\n## ")[0].splitlines()
    told = [line.split("|")[1:-1] for line in lines if line.startswith("| `")]
    assert {row[0].strip(" `") for row in told} == set(MODELS)
    for name, _, parameters, statistics, *_ in told:
        row = rows[name.strip(" `")]
        assert f"{row['parameters']:,}" == parameters.strip(), name
        assert f"{row['running_statistics']:,}" == statistics.strip(), name


def test_the_unet_of_the_paper(call):
    code, found, _ = call("models", "unet", *DEEP, "--layers", "--json")
    (row,) = found["models"]
    assert code == 0 and found["classes"] == 1
    assert row["parameters"] == 31_043_521
    assert row["running_statistics"] == 11_776
    layers = {layer["path"]: layer for layer in row["layers"]}
    assert list(layers)[:3] == ["down0", "down0/conv1", "down0/norm1"]
    assert layers["down0/conv1"]["parameters"] == 1_792
    assert layers["bottom"]["shape"] == [32, 32, 1024]
    top = [layer["parameters"] for path, layer in layers.items() if "/" not in path]
    assert sum(top) == 31_043_521
    # 192.7e9 multiply-adds of the convolutions; taps on the zeros outside are no work
    assert row["gmac"] == pytest.approx(192.7, rel=0.02)
    assert row["train_bytes"] is None


def test_memory_grows_with_the_image(call):
    words = ("models", "unet", "--option", "width=4", "--memory", "--json")
    small, large = (
        call(*words, "--size", side, side)[1]["models"][0] for side in ("32", "128")
    )
    state = 4 * 3 * small["parameters"]
    assert small["train_bytes"] > state
    assert large["train_bytes"] > small["train_bytes"] + 4 * 128 * 128 * 8
    assert large["parameters"] == small["parameters"]


@pytest.mark.parametrize(
    "words, message",
    [
        (("unett",), "Did you mean 'unet'"),
        (("unet", "--option", "widht=4"), "mean 'width'"),
        (("--option", "width=4"), "one model"),
        (("unet", "--size", "0", "4"), "integer from 1 up"),
    ],
)
def test_mistakes_are_explained(call, words, message):
    code, _, err = call("models", *words)
    assert code == 2 and message in err
