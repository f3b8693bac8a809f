"""A data set that TensorFlow Datasets prepares here, without TensorFlow."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data import check, datasets, pipeline
from segjax.data.source import Source
from tests.data.pairs import image, mask

TABLE = "1 pet\n2 background\n3 ignore\n"
MEANING = {1: 0, 2: 1, 3: IGNORE}


def png(array) -> io.BytesIO:
    """Bytes of a file: to encode an array itself, the library would ask TensorFlow."""
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    stream.seek(0)
    return stream


class Tiny(tfds.core.GeneratorBasedBuilder):
    """Pets with a mask as a picture and as arrays."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
            "array": tfds.features.Tensor(shape=(8, 12), dtype=np.int32),
            "column": tfds.features.Tensor(shape=(8, 12, 1), dtype=np.uint8),
            "file_name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"train": self._rows(range(6)), "validation": self._rows(range(6, 9))}

    def _generate_examples(self):
        raise NotImplementedError("the examples are written by the test itself")

    def _rows(self, numbers):
        for k in numbers:
            raw = mask(k, (1, 2, 3))
            yield (
                k,
                {
                    "image": png(image(k)),
                    "segmentation_mask": png(raw),
                    "array": raw.astype(np.int32),
                    "column": raw[..., None],
                    "file_name": f"pet_{k}",
                },
            )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("tensorflow_datasets")
    Tiny(data_dir=root, file_format="array_record").download_and_prepare()
    (root / "classes.txt").write_text(TABLE)
    return root


def make(root, split="train", **options):
    given = {
        "dataset": "tiny",
        "data_dir": str(root),
        "label_key": "segmentation_mask",
        "classes": str(root / "classes.txt"),
    }
    return datasets.make("tfds", split, **{**given, **options})


def numbers(source) -> list[int]:
    """Which pictures a split has, in its order: the library shuffles them once."""
    known = {image(k).tobytes(): k for k in range(9)}
    return [known[source[i]["image"].tobytes()] for i in range(len(source))]


@pytest.mark.parametrize("label_key", ["segmentation_mask", "array", "column"])
def test_examples_are_those_that_were_prepared(prepared, label_key):
    source = make(prepared, label_key=label_key)
    assert isinstance(source, Source)
    assert sorted(numbers(source)) == list(range(6))
    for i, k in enumerate(numbers(source)):
        want = np.vectorize(MEANING.__getitem__)(mask(k, (1, 2, 3)))
        np.testing.assert_array_equal(source[i]["label"], want)
        assert source[i]["label"].dtype == np.uint8
    assert source.name(5) == "train_000005" and source[5]["index"] == 5
    assert repr(source) == "tiny train: 6 examples"
    assert check.run(source).class_images == (6, 6)
    with pytest.raises(IndexError):
        source[6]


def test_parts_of_a_split(prepared):
    whole = numbers(make(prepared))
    part = make(prepared, "train[:50%]")
    assert numbers(part) == whole[:3] and part.name(0) == "train_50_000000"
    assert sorted(numbers(make(prepared, "validation"))) == [6, 7, 8]
    prints = {make(prepared, s).fingerprint() for s in ("train", "train[:50%]")}
    assert len(prints) == 2


def test_values_in_place_of_those_of_the_table(prepared):
    source = make(prepared, values=(2, 1))
    raw = mask(numbers(source)[0], (1, 2, 3))
    np.testing.assert_array_equal(source[0]["label"] == 0, raw == 2)
    assert source.fingerprint() != make(prepared).fingerprint()
    with pytest.raises(UserError, match="no number may stand twice"):
        make(prepared, values=(3, 1))


def test_a_pickled_source_opens_its_files_anew(prepared):
    source = make(prepared)
    source[0]
    again = pickle.loads(pickle.dumps(source))
    assert again == source and len(pickle.dumps(source)) < 4000
    np.testing.assert_array_equal(again[3]["image"], source[3]["image"])


def test_worker_processes_read_it(prepared):
    source = make(prepared)
    batches = pipeline.train_batches(source, (), seed=0, batch_size=6, workers=1)
    try:
        batch = next(batches)
    finally:
        batches.close()
    for place, i in enumerate(batch["index"]):
        np.testing.assert_array_equal(batch["image"][place], source[int(i)]["image"])


def test_tensorflow_is_not_imported(prepared):
    code = f"""if True:
        import sys
        from segjax.data import datasets
        assert "tensorflow_datasets" not in sys.modules, "workers would pay for it"
        datasets.make(
            "tfds", "train", dataset="tiny", data_dir={str(prepared)!r},
            label_key="array", classes={str(prepared / "classes.txt")!r},
        )[0]
        assert "tensorflow" not in sys.modules
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "tniy"}, r"'tniy': is not prepared in .* which holds .*tiny"),
        ({"label_key": "mask"}, r"label_key='mask': is no feature .* segmentation_m"),
        ({"classes": "none.txt"}, r"classes='none.txt': no such file"),
        ({"data_dir": "nowhere"}, r"data_dir='nowhere': no such folder"),
        ({"split": "val"}, r"no split 'val'\. Known: train, validation"),
        ({"split": "train[:x]"}, r"split 'train\[:x\]' of tiny cannot be taken"),
    ],
)
def test_what_cannot_be_read_is_refused(prepared, options, message):
    with pytest.raises(UserError, match=message):
        make(prepared, **options)


def test_masks_and_images_that_do_not_fit_are_refused(prepared, tmp_path):
    with pytest.raises(UserError, match=r"train_00000\d array: .* Choose another"):
        make(prepared, image_key="array")[0]
    table = tmp_path / "classes.txt"
    table.write_text("1 pet\n2 background\n")
    with pytest.raises(UserError, match=r"segmentation_mask: mask has id 3 \("):
        make(prepared, classes=str(table))[0]


def test_another_format_is_refused(prepared, tmp_path):
    target = tmp_path / "tiny/1.0.0"
    target.mkdir(parents=True)
    for path in (prepared / "tiny/1.0.0").iterdir():
        text = path.read_bytes().replace(b"array_record", b"tfrecord")
        (target / path.name.replace("array_record", "tfrecord")).write_bytes(text)
    with pytest.raises(UserError, match="is prepared as tfrecord; array_record is"):
        make(prepared, data_dir=str(tmp_path))
