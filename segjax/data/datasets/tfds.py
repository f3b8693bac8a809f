"""Data sets that TensorFlow Datasets prepared as ArrayRecord, read without TensorFlow.

Prepare once, where TensorFlow is, by ``tfds build NAME --file_format=array_record``, or
give `file_format="array_record"` to a builder of your own. Nothing is downloaded here.
What the numbers in the masks mean is in a class table of your own, as in a folder's
`classes.txt`::

    1 pet
    2 background
    3 ignore
"""

import dataclasses
import functools
import hashlib
import pathlib
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.data import decode, labels
from segjax.data.datasets import folder
from segjax.data.source import bad_split, content_hash

_OPENING = threading.RLock()  # its modules import lazily: two threads can deadlock

TREE = """\
  DATA_DIR/oxford_iiit_pet/4.0.0/dataset_info.json
  DATA_DIR/oxford_iiit_pet/4.0.0/features.json
  DATA_DIR/oxford_iiit_pet/4.0.0/oxford_iiit_pet-train.array_record-00000-of-00004"""


def make(
    split: str,
    dataset: str,
    data_dir: str,
    label_key: str,
    classes: str,
    image_key: str = "image",
    values: tuple[int, ...] = (),
) -> "Prepared":
    """One split of a prepared data set.

    Args:
      split: a split of the data set, or a part of one: `"train[:90%]"`. What is called
        `"validation"` there is asked for by that word (`config.data.val_split`).
      dataset: its name, with its config and version if there are several:
        `"oxford_iiit_pet"`, `"my_set/small:1.0.0"`. Without a version the newest.
      data_dir: the folder that holds it, usually `~/tensorflow_datasets`.
      label_key: the feature that holds the mask, `(H, W)` or `(H, W, 1)`.
      classes: path of the class table: a line `number name`, `number name r g b`, or
        `number ignore`.
      image_key: the feature that holds the image.
      values: the number in the masks of each class, in the order of the table; by
        default the numbers of the table.

    Raises:
      UserError: the data set, the split, a feature or the class table is not there, or
        the files are not ArrayRecord.
    """
    base = pathlib.Path(data_dir).expanduser()
    if not base.is_dir():
        raise UserError(
            f"config.data.data_dir={data_dir!r}: no such folder; prepare {dataset} "
            f"with `tfds build`, and the files then lie so:\n{TREE}"
        )
    info, rule = _class_table(dataset, pathlib.Path(classes).expanduser(), values)
    builder = _builder(str(base), dataset)
    problems = [
        f"config.data.{option}={key!r}: is no feature of {dataset}, which has "
        f"{', '.join(builder.info.features)}."
        for option, key in (("image_key", image_key), ("label_key", label_key))
        if key not in builder.info.features
    ]
    if str(builder.info.file_format.value) != "array_record":
        problems.append(
            f"{builder.data_path}: is prepared as {builder.info.file_format.value}; "
            "array_record is read. Prepare it with --file_format=array_record."
        )
    if problems:
        raise UserError(problems)
    known = list(builder.info.splits)
    if split.partition("[")[0] not in known:
        raise bad_split(info, split, known)
    try:
        part = builder.info.splits[split]
        count, files = part.num_examples, tuple(str(path) for path in part.filepaths)
    except ValueError as error:
        raise UserError(
            f"config.data: split {split!r} of {dataset} cannot be taken ({error}); "
            f"{', '.join(known)} and parts such as {known[0]}[:90%] can."
        ) from None
    files = (*files, str(builder.data_path / "features.json"))
    return Prepared(
        *(info, split, str(base), dataset, image_key, label_key, rule, count, files)
    )


@dataclasses.dataclass(frozen=True)
class Prepared:
    """One split; the files are opened when the first example is asked for.

    So it can be sent to a worker process, which opens them for itself.

    Attributes:
      info: class table and provenance.
      split: name of the split.
      data_dir: the folder that holds the data set.
      dataset: its name there.
      image_key: the feature that holds the image.
      label_key: the feature that holds the mask.
      rule: what the numbers in the masks mean.
      count: how many examples there are.
      files: what the fingerprint is of.
    """

    info: DatasetInfo
    split: str
    data_dir: str
    dataset: str
    image_key: str
    label_key: str
    rule: labels.LabelMap
    count: int
    files: tuple[str, ...]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> dict[str, Any]:
        """Example `i`.

        Raises:
          UserError: a picture cannot be read, the mask holds an undeclared number, or
            the sizes of image and mask differ.
        """
        if not -self.count <= i < self.count:
            raise IndexError(i)
        with _OPENING:
            records = _open(self.data_dir, self.dataset, self.split)
        record, at = records[i % self.count], self.name(i % self.count)
        image = _image(record[self.image_key], f"{at} {self.image_key}")
        raw = _numbers(record[self.label_key], f"{at} {self.label_key}")
        label = labels.from_numbers(raw, self.rule, f"{at} {self.label_key}")
        if image.shape[:2] != label.shape:
            raise UserError(
                f"{at}: mask is {label.shape[0]}x{label.shape[1]} and image "
                f"{image.shape[0]}x{image.shape[1]} (height x width); they must be "
                "equal. Correct the preparation."
            )
        return {IMAGE: image, LABEL: label, INDEX: np.int64(i)}

    def name(self, i: int) -> str:
        """The split and the place in it: ArrayRecord keeps no names."""
        return f"{re.sub(r'[^A-Za-z0-9]+', '_', self.split).strip('_')}_{i:06}"

    def fingerprint(self) -> str:
        """sha256 over the class table, the mask rule, the features and the records."""
        digest = hashlib.sha256()
        digest.update(repr((self.info.class_names, self.rule, self.split)).encode())
        digest.update(repr((self.image_key, self.label_key)).encode())
        for path in self.files:
            digest.update(f"{pathlib.Path(path).name}\0{content_hash(path)}\n".encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"{self.info.name} {self.split}: {len(self)} examples"


@functools.lru_cache(maxsize=8)
def _open(data_dir: str, dataset: str, split: str) -> Sequence[dict[str, Any]]:
    """The records of a split, once a process; pictures stay the bytes of their files.

    Our own decoder then reads them, so that the rules for 16 bits, alpha and EXIF are
    those of every other data set.
    """
    import tensorflow_datasets as tfds

    builder = _builder(data_dir, dataset)
    pictures = {
        key: tfds.decode.SkipDecoding()
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    records = builder.as_data_source(split, decoders=pictures)
    records[0]  # imports what reading needs while no other thread does
    return records


def _builder(data_dir: str, dataset: str) -> Any:
    with _OPENING:
        import tensorflow_datasets as tfds

        try:
            return tfds.core.read_only_builder.builder_from_files(
                dataset, data_dir=data_dir
            )
        except tfds.core.registered.DatasetNotFoundError:
            pass
    there = sorted(p.name for p in pathlib.Path(data_dir).iterdir() if p.is_dir())
    raise UserError(
        f"config.data.dataset={dataset!r}: is not prepared in {data_dir}, which holds "
        f"{', '.join(there) or 'no data set'}. Prepare it with `tfds build {dataset} "
        f"--file_format=array_record`; the files then lie so:\n{TREE}"
    )


def _class_table(
    dataset: str, path: pathlib.Path, values: tuple[int, ...]
) -> tuple[DatasetInfo, labels.LabelMap]:
    if not path.is_file():
        raise UserError(
            f"config.data.classes={str(path)!r}: no such file; write the class table, "
            "a line `number name` for each class and `number ignore` for what is none."
        )
    names, own, ignore, colours, _ = folder.read_classes(path)
    values = tuple(values) or own
    if len({*values, *ignore}) != len(names) + len(ignore) or len(values) != len(names):
        raise UserError(
            f"{path}: {len(names)} classes, values={values}, ignore={ignore}; each "
            "class needs one value, and no number may stand twice."
        )
    info = DatasetInfo(
        re.split("[/:]", dataset)[0],
        names,
        colours or folder.generated_colours(len(names)),
    )
    classes = zip(values, range(len(names)), strict=True)
    return info, labels.LabelMap((*classes, *((v, IGNORE) for v in ignore)))


def _image(value: Any, where: str) -> UInt8[np.ndarray, "H W 3"]:
    if isinstance(value, bytes):
        return decode.decode_image(value, where)
    if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3:
        raise UserError(
            f"{where}: is {value.dtype} of the shape {value.shape}; a picture, or "
            "uint8 (H, W, 3), is read. Choose another `image_key`."
        )
    return value


def _numbers(value: Any, where: str) -> np.ndarray:
    if isinstance(value, bytes):
        return decode.decode_label(value, where)
    raw = value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value
    if raw.ndim != 2 or raw.dtype.kind not in "ui" or raw.dtype.itemsize > 4:
        raise UserError(
            f"{where}: is {value.dtype} of the shape {value.shape}; a picture, or "
            "integers (H, W) or (H, W, 1) of up to 32 bits, is read. Choose another "
            "`label_key`."
        )
    return raw if raw.dtype in (np.uint8, np.uint16) else raw.astype(np.int32)
