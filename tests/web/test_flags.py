"""Pictures that people flag: what is kept of them, and how much."""

import asyncio
import io
import json

import numpy as np
import pytest
from PIL import Image

from segjax.web import flagged
from segjax.web.flagged import Flagged
from segjax.web.refused import Refused
from tests.web.program import encoded, serving

ENTRY = {"model": "tiny", "sha256": "0", "reason": "other", "comment": ""}


def kept(folder):
    return [
        json.loads(line) for line in (folder / flagged.LOG).read_text().splitlines()
    ]


def test_the_picture_the_mask_and_a_line_are_kept(models, image, tmp_path):
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 24.0)}
    exif[0x0112] = 6
    content = encoded(image, "PNG", exif=exif)
    fields = {"model": "tiny", "reason": "outline", "comment": "the <b>edge</b>\n2nd"}
    with serving(models / "tiny.segjax", flagged=tmp_path / "kept") as server:

        def flag(**changes):
            return server.client.post(
                "/api/flag",
                files={"picture": ("../../x.png", content)},
                data={**fields, **changes},
            )

        assert "outline" in server.client.get("/api/models").json()["flags"]
        answer = flag()
        assert answer.status_code == 201, answer.text
        assert flag(reason="bad").json()["code"] == "bad_form"
        assert flag(comment="x" * 501).json()["code"] == "bad_form"
        assert flag(model="nobody").json()["code"] == "no_such_model"
        mask = server.client.post("/api/predict/tiny/mask.png", content=content)
    folder, name = tmp_path / "kept", answer.json()["id"]
    (line,) = kept(folder)
    assert line["comment"] == fields["comment"] and line["id"] == name
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [flagged.LOG, f"{name}_picture.png", f"{name}_mask.png"]
    )
    picture = Image.open(folder / f"{name}_picture.png")
    assert not picture.getexif() and not picture.info
    assert np.array_equal(np.array(picture), np.rot90(image, -1))
    assert (folder / f"{name}_mask.png").read_bytes() == mask.content
    assert Image.open(io.BytesIO(mask.content)).size == picture.size


def test_no_more_is_kept_than_there_is_room_for(tmp_path, monkeypatch):
    monkeypatch.setattr(flagged, "MOST_PICTURES", 2)
    store = Flagged(tmp_path)
    for _ in range(2):
        asyncio.run(store.keep(b"picture", ".png", b"mask", ENTRY))
    with pytest.raises(Refused) as error:
        asyncio.run(store.keep(b"picture", ".png", b"mask", ENTRY))
    assert error.value.code == "full"
    again = Flagged(tmp_path)  # counts what is there
    with pytest.raises(Refused):
        asyncio.run(again.keep(b"picture", ".png", b"mask", ENTRY))
    assert len(kept(tmp_path)) == 2


def test_bytes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(flagged, "MOST_BYTES", 1000)
    store = Flagged(tmp_path)
    asyncio.run(store.keep(b"x" * 500, ".npy", b"mask", ENTRY))
    with pytest.raises(Refused):
        asyncio.run(store.keep(b"x" * 500, ".npy", b"mask", ENTRY))
    assert len(kept(tmp_path)) == 1


def test_a_disk_that_refuses_is_told(tmp_path, monkeypatch):
    store = Flagged(tmp_path / "kept")
    monkeypatch.setattr(store, "_folder", tmp_path / "kept" / flagged.LOG / "x")
    (tmp_path / "kept" / flagged.LOG).write_text("")
    with pytest.raises(Refused) as error:
        asyncio.run(store.keep(b"picture", ".png", b"mask", ENTRY))
    assert error.value.code == "full"
