"""Floods: soft masks, known faults refused or repaired, equal photographs together."""

import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.data import check, datasets
from tests.data.pairs import image, mask, real, write

SOFT = (0, 1, 127, 128, 254, 255)
SIZES = {  # name -> sizes of the image and of its mask, as in the published set
    "0": ((8, 12), (8, 12)),
    "2": ((6, 9), (6, 9)),
    "14": ((10, 12), (6, 8)),
    "15": ((6, 8), (10, 12)),
    "1061": ((9, 9), (7, 11)),
    "2052": ((5, 8), (7, 9)),
    "2053": ((7, 9), (5, 8)),
}


def tree(root, sizes=SIZES):
    for seed, (name, (of_image, of_mask)) in enumerate(sizes.items()):
        write(root / f"Image/{name}.jpg", image(seed, of_image), format="PNG")
        write(root / f"Mask/{name}.png", mask(seed, SOFT, of_mask))
    rows = [f"{name}.jpg,{name}.png" for name in sizes]
    (root / "metadata.csv").write_text("\n".join(["Image,Mask", *rows]) + "\n")


def flood(root, split="all", **options):
    return datasets.make("flood_area", split, root=str(root), **options)


def names(source):
    return [source.name(i) for i in range(len(source))]


def test_masks_are_water_from_128_up(tmp_path):
    tree(tmp_path, {"7": ((8, 12), (8, 12))})
    source = flood(tmp_path)
    np.testing.assert_array_equal(source[0]["label"], mask(0, SOFT) >= 128)
    assert source.info.class_names == ("background", "flood")
    assert repr(source) == "flood_area all: 1 examples"


def test_known_faults_are_refused_by_name(tmp_path):
    tree(tmp_path)
    with pytest.raises(UserError) as error:
        flood(tmp_path, "train")
    named = [p.split(":")[0] for p in error.value.problems]
    assert named == [f"Mask/{n}.png" for n in ("14", "15", "1061", "2052", "2053")]
    assert "is 6x8 and its image Image/14.jpg is 10x12" in error.value.problems[0]
    assert all("known_faults='repair'" in p for p in error.value.problems)


def test_known_faults_are_repaired_and_told(tmp_path):
    tree(tmp_path)
    source = flood(tmp_path, known_faults="repair")
    assert names(source) == ["0", "2", "14", "15", "2052", "2053"]
    # Names in this order; the seed of the image and of the mask that it has now.
    for k, (own, now) in enumerate(((0, 0), (1, 1), (2, 3), (3, 2), (5, 6), (6, 5))):
        size = SIZES[source.name(k)][0]
        np.testing.assert_array_equal(source[k]["image"], image(own, size))
        np.testing.assert_array_equal(source[k]["label"], mask(now, SOFT, size) >= 128)
    assert repr(source) == (
        "flood_area all: 6 examples (masks of 14 and 15 swapped back; masks of 2052 "
        "and 2053 swapped back; 1061 left out)"
    )
    assert not check.run(source, images=True).problems


@pytest.mark.parametrize("one_size", [False, True])
def test_a_copy_whose_sizes_agree_is_not_touched(one_size, tmp_path):
    sizes = {name: (own, own) for name, (own, _) in SIZES.items()}
    if one_size:
        sizes = dict.fromkeys(sizes, ((10, 12), (10, 12)))
    tree(tmp_path, sizes)
    source = flood(tmp_path, known_faults="repair")
    assert names(source) == list(SIZES) and source.repairs == ()
    np.testing.assert_array_equal(source[2]["label"], mask(2, SOFT, (10, 12)) >= 128)


def test_a_swap_that_does_not_fit_is_not_made(tmp_path):
    tree(tmp_path, {"14": ((10, 12), (6, 8)), "15": ((6, 8), (9, 9))})
    with pytest.raises(UserError) as error:
        flood(tmp_path, known_faults="repair")
    assert [p.split(" (")[0] for p in error.value.problems] == [
        "Mask/14.png: mask is 6x8 and its image Image/14.jpg is 10x12",
        "Mask/15.png: mask is 9x9 and its image Image/15.jpg is 6x8",
    ]
    assert all("Correct the pair" in p for p in error.value.problems)


def test_other_faults_are_never_repaired(tmp_path):
    tree(tmp_path, {**SIZES, "3": ((4, 4), (5, 5))})
    with pytest.raises(UserError) as error:
        flood(tmp_path, known_faults="repair")
    assert len(error.value.problems) == 1
    assert "Mask/3.png: mask is 5x5" in error.value.problems[0]
    assert "Correct the pair" in error.value.problems[0]


def test_equal_photographs_are_in_one_split(tmp_path):
    tree(tmp_path, {str(k): ((8, 12), (8, 12)) for k in range(20)})
    for k in range(10, 20):
        write(tmp_path / f"Image/{k}.jpg", image(k - 10), format="PNG")
    for seed in range(5):
        val = {int(n) for n in names(flood(tmp_path, "val", split_seed=seed))}
        assert len(val) == 2 and len({n % 10 for n in val}) == 1


def test_the_list_and_the_folders_must_agree(tmp_path):
    tree(tmp_path)
    (tmp_path / "Mask/0.png").unlink()
    write(tmp_path / "Image/99.jpg", image(0))
    with (tmp_path / "metadata.csv").open("a") as file:
        file.write("2.jpg,2.png\n")
    with pytest.raises(UserError) as error:
        flood(tmp_path)
    assert error.value.problems[1:] == [
        "metadata.csv: 2.jpg is listed twice",
        "Mask/0.png: is listed and missing",
        "Image/99.jpg: is not in metadata.csv",
    ]
    (tmp_path / "metadata.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has no columns Image and Mask"):
        flood(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(UserError, match=r"metadata\.csv: is missing"):
        flood(tmp_path)


def test_real_flood_area():
    root = real("flood_area")
    with pytest.raises(UserError) as error:
        flood(root)
    assert len(error.value.problems) == 5
    train, val = (flood(root, s, known_faults="repair") for s in ("train", "val"))
    assert (len(train), len(val)) == (51, 6)
    assert check.run(train, images=True).turned == 1
    check.run(val, images=True)
    # The photograph that is displayed upside down: its water is brown, not green.
    example = train[names(train).index("2018")]
    water = example["image"][example["label"] == 1].astype(float).mean(axis=0)
    assert water[0] > water[1] > water[2]
