"""`segjax export --onnx`: the model beside the file, its metadata, and refusals."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

from segjax.cli import main
from segjax.core.errors import UserError
from segjax.serve import onnx_model
from segjax.serve.load import load
from tests.serve import runs


@pytest.fixture(scope="module")
def both(clips_folder):
    """The file of the run of clips and its two ONNX models."""
    words = "--without-data", "--without-code", "--sizes", "24x32", "--onnx"
    words += "--platforms", "cpu"
    file = runs.exported(clips_folder, *words, name="both.segjax")
    return load(file), file.with_suffix(".onnx"), file.with_name("both_stream.onnx")


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_classes_are_those_of_the_file(both):
    model, path, _ = both
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3)).astype(np.uint8)
    (logits,) = session(path).run(["logits"], {"image": images})
    assert logits.shape == (3, 24, 32, 11)
    for image, one in zip(images, logits, strict=True):
        np.testing.assert_array_equal(one.argmax(-1), model.answer(image).ids)


def test_a_video_is_that_of_the_file(both):
    model, _, path = both
    running, video = session(path), model.stream()
    memory = {
        i.name: np.zeros([1, *i.shape[1:]], np.float32)
        for i in running.get_inputs()
        if i.name != "image"
    }
    assert memory
    rng = np.random.default_rng(0)
    for frame in rng.integers(0, 256, (4, 24, 32, 3)).astype(np.uint8):
        logits, *rest = running.run(None, {"image": frame[None], **memory})
        names = [o.name.removeprefix("next_") for o in running.get_outputs()[1:]]
        memory = dict(zip(names, rest, strict=True))
        np.testing.assert_array_equal(logits[0].argmax(-1), video.answer(frame).ids)


def test_the_model_says_what_it_is(both):
    model, path, _ = both
    read = onnx.load(path)
    onnx.checker.check_model(read, full_check=True)
    found = {p.key: p.value for p in read.metadata_props}
    assert json.loads(found["classes"]) == list(model.info.class_names)
    assert json.loads(found["palette"])[0] == list(model.info.class_colours[0])
    assert found["size"] == "24x32" and found["of"] == model.sha256
    assert "0.485" in found["normalize"] and found["class_digest"]
    (image,) = read.graph.input
    assert image.type.tensor_type.shape.dim[0].dim_param == "B"


def test_an_operation_without_a_rule_is_named():
    (batch,) = export.symbolic_shape("b")
    image = jax.ShapeDtypeStruct((batch, 4, 4, 1), jnp.float32)
    for function, name in (
        (lambda x: (jnp.sort(x),), "sort"),
        (lambda x: (jnp.fft.fft(x).real,), "fft"),
        (lambda x: (jax.lax.cumsum(x, 1),), "cumsum"),
    ):
        with pytest.raises(UserError, match=f"operation '{name}' has no form"):
            onnx_model.convert(function, {"image": image}, ["logits"])


def test_what_depends_on_the_images_otherwise_is_refused():
    (batch,) = export.symbolic_shape("b")
    image = jax.ShapeDtypeStruct((batch, 4, 4, 1), jnp.float32)
    places = {"mode": "promise_in_bounds"}
    for function, message in (
        (lambda x: (x.reshape(-1, 2),), "side of 8\\*b"),
        (
            lambda x: (jnp.arange(9.0).at[x[..., 0].astype("uint8")].get(**places),),
            "depend on the image",
        ),
    ):
        with pytest.raises(UserError, match=message):
            onnx_model.convert(function, {"image": image}, ["logits"])


def test_other_numbers_are_refused(both, monkeypatch, clips_folder, capsys):
    monkeypatch.setattr(onnx_model, "CLOSE", -1.0)
    out = clips_folder / "off.segjax"
    words = "--without-data", "--without-code", "--sizes", "24x32", "--onnx"
    assert main(["export", str(clips_folder), "--out", str(out), *words]) == 2
    assert "off by" in capsys.readouterr().err
    assert not out.with_suffix(".onnx").exists()


def test_without_the_packages_it_says_which(both, monkeypatch, clips_folder, capsys):
    monkeypatch.setattr(onnx_model, "onnx", None)
    words = "--without-data", "--without-code", "--sizes", "24x32", "--onnx"
    out = clips_folder / "none.segjax"
    assert main(["export", str(clips_folder), "--out", str(out), *words]) == 2
    assert "requirements-export.txt" in capsys.readouterr().err
