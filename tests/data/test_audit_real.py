"""The audit on real files: every quirk that is known of them is found."""

import os
import pathlib

import pytest

from segjax.data import audit

REAL = pathlib.Path(os.environ.get("SEGJAX_DATA", "../shared/data"))

FLOOD = {
    "images": "Image/{name}",
    "masks": "Mask/{name}",
    "classes": ("land", "water"),
    "threshold": 128,
}


def of_kind(found, kind):
    return {name for f in found.findings if f.kind == kind for name in f.files}


def real(name):
    if not (REAL / name).is_dir():
        pytest.skip(f"{REAL / name} is absent; set SEGJAX_DATA")
    return str(REAL / name)


def test_quirks_of_the_flood_photographs():
    found = audit.run("folder", {"root": real("flood_area"), **FLOOD})
    masks_of = {f"Mask/{n}.png" for n in (14, 15, 1061, 2052, 2053)}
    assert masks_of <= of_kind(found, "size_mismatch")
    swapped = [set(f.files) for f in found.findings if f.kind == "swapped"]
    assert len(swapped) == 2
    assert {"Mask/14.png", "Mask/15.png"} in [s & masks_of for s in swapped]
    assert {"Mask/2052.png", "Mask/2053.png"} in [s & masks_of for s in swapped]
    assert "Image/2018.jpg" in of_kind(found, "orientation")
    assert "turned_mask" not in found.counts()
    assert found.counts()["wrong_suffix"] == 13
    assert {f.verdict for f in found.findings if f.kind == "soft_mask"} == {"fix"}


def test_quirks_of_the_pets():
    found = audit.run("oxford_pet", {"root": real("oxford_pet")})
    assert of_kind(found, "wrong_suffix") == {"images/Abyssinian_5.jpg"}
    assert "images/Abyssinian_34.jpg" in of_kind(found, "unused_file")
    assert found.counts()["orientation_tag"] >= 2
    assert not found.refused()


def test_sequences_and_orphans_of_cityscapes():
    found = audit.run("cityscapes", {"root": real("cityscapes_labels_only")})
    assert found.counts() == {"orphan_mask": 15}


def test_camvid_has_one_clip_in_two_splits_and_nothing_else():
    found = audit.run("camvid", {"root": real("camvid")})
    assert found.counts() == {"group_across": 1}
    assert found.findings[0].verdict == "note"
