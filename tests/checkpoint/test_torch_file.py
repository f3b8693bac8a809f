"""Files of torch.save and safetensors: read right, refused where they are no data."""

import os
import pathlib
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from segjax.checkpoint import state_dict
from segjax.core.errors import UserError
from tests.checkpoint.torch_writer import STORAGES, Call, Global, View, save


def numbers(*shape, dtype="float32"):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return np.random.default_rng(0).integers(0, 2, shape).astype(kind)


@pytest.fixture
def path(tmp_path) -> pathlib.Path:
    return tmp_path / "weights.pth"


@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("dtype", STORAGES)
def test_every_dtype_comes_as_it_was(path, dtype, byteorder):
    wanted = numbers(3, 4, dtype=dtype)
    save(path, {"a.weight": View(wanted)}, byteorder=byteorder)
    found = state_dict.read(path).arrays["a.weight"]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_views_share_a_storage_and_have_their_own_strides(path):
    storage = np.arange(24, dtype=np.float32)
    views = {
        "whole": View(storage, 0, (4, 6), (6, 1)),
        "transposed": View(storage, 0, (6, 4), (1, 6)),
        "part": View(storage, 8, (2, 3), (6, 1), parameter=True),
        "expanded": View(storage, 5, (7, 2), (0, 1)),
        "scalar": View(storage, 23, (), ()),
        "empty": View(storage, 0, (0, 3), (3, 1)),
    }
    for view in views.values():
        view.storage = storage
    save(path, views)
    found = state_dict.read(path).arrays
    square = storage.reshape(4, 6)
    wanted = {
        "whole": square,
        "transposed": square.T,
        "part": square[1:3, 2:5],
        "expanded": np.tile(storage[5:7], (7, 1)),
        "scalar": np.float32(23),
        "empty": np.zeros((0, 3)),
    }
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
    with zipfile.ZipFile(path) as archive:
        assert sum("/data/" in n for n in archive.namelist()) == 1


@pytest.mark.parametrize("entry", [*state_dict.ENTRIES, "generator"])
def test_nested_state_dicts_are_found_and_said(path, entry):
    inner = {
        "module.conv.weight": View(numbers(2)),
        "module.conv.bias": View(numbers(1)),
    }
    optimizer = {"state": {0: {"momentum": View(numbers(3))}}, "lr": 0.1}
    save(path, {"epoch": 3, entry: inner, "optimizer": optimizer, "name": "net"})
    found = state_dict.read(path)
    assert set(found.arrays) == {"conv.weight", "conv.bias"}
    assert f"entry {entry!r}" in found.notes[0]
    assert "'module.' stood before every name" in found.notes[1]


def test_the_hash_is_of_the_files_bytes(path):
    save(path, {"a": View(numbers(2))})
    import hashlib

    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    assert state_dict.read(path).sha256 == wanted


def test_what_is_no_tensor_is_left_out_and_said(path):
    save(path, {"a": View(numbers(2)), "version": 3, 5: View(numbers(1))})
    found = state_dict.read(path)
    assert set(found.arrays) == {"a"}
    assert found.notes == ("2 entries are no named tensors: 'version', 5",)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([View(numbers(2))], "is a list and no named tensors"),
        ({"a": {"x": View(numbers(1))}, "b": {"y": View(numbers(1))}}, "'a', 'b'"),
        ({"epoch": 3}, "its entries are 'epoch'"),
        ({}, "its entries are nothing"),
    ],
)
def test_without_a_state_dict_it_is_said_what_there_is(path, value, words):
    save(path, value)
    with pytest.raises(UserError, match=words):
        state_dict.read(path)


class Bomb:
    def __init__(self, *command):
        self.command = command

    def __reduce__(self):
        return os.system, self.command


def malicious(marker: pathlib.Path) -> dict[str, bytes]:
    """Pickles that touch `marker` if anything in them is run."""
    command = f"touch {marker}"
    module = os.system.__module__.encode()
    made = {f"protocol {n}": pickle.dumps({"a": Bomb(command)}, n) for n in range(2, 6)}
    text = command.encode()
    made["inst"] = b"(S'%s'\ni%s\nsystem\n." % (text, module)
    made["obj"] = b"(c%s\nsystem\nS'%s'\no." % (module, text)
    made["newobj"] = b"\x80\x02cos\nsystem\n(X%s%st\x81." % (
        len(text).to_bytes(4, "little"),
        text,
    )
    made["build"] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\0\0\0aNsb."
    made["call of a result"] = b"\x80\x02ccollections\nOrderedDict\n)R)R."
    made["extension"] = b"\x80\x02\x82\x01)R."
    return made


@pytest.mark.parametrize("kind", malicious(pathlib.Path("nowhere")))
def test_code_in_a_pickle_is_refused_and_not_run(path, kind):
    marker = path.parent / "marker"
    save(path, {}, data=malicious(marker)[kind])
    with pytest.raises(UserError, match=r"holds more than tensors .*nothing is run"):
        state_dict.read(path)
    assert not marker.exists()


def test_the_bombs_do_go_off_in_a_real_unpickler(path):
    marker = path.parent / "marker"
    for kind in ("protocol 2", "inst", "obj"):
        pickle.loads(malicious(marker)[kind])
        assert marker.exists(), kind
        marker.unlink()


@pytest.mark.parametrize(
    "function",
    [
        Global("builtins", "eval"),
        Global("argparse", "Namespace"),
        Global("torch._utils", "_rebuild_qtensor"),
        Global("numpy.core.multiarray", "scalar"),
    ],
)
def test_a_call_of_anything_unknown_is_refused_by_name(path, function):
    save(path, {"a": View(numbers(2)), "args": Call(function, "1 + 1")})
    with pytest.raises(UserError, match=f"calls {function.module}.{function.name}"):
        state_dict.read(path)


def test_names_that_are_not_called_are_text(path):
    save(path, {"a": View(numbers(2)), "dtype": Global("torch", "float32")})
    assert set(state_dict.read(path).arrays) == {"a"}


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_ends_early_is_said(path, share):
    save(path, {"a.weight": View(numbers(300)), "a.bias": View(numbers(30))})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"weights\.pth: is .*(damaged|torch\.save)"):
        state_dict.read(path)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_pickle_that_ends_early_is_said(path, cut):
    whole = pickle.dumps({"a": (1, 2.5, [None, True], "text")}, 2)
    save(path, {}, data=whole[: len(whole) * cut // 12])
    with pytest.raises(UserError, match="is damaged"):
        state_dict.read(path)


def test_a_flipped_byte_is_noticed(path):
    save(path, {"a": View(np.full(100, 7, np.float32))})
    whole = bytearray(path.read_bytes())
    at = whole.index(np.full(100, 7, np.float32).tobytes())
    whole[at + 50] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"is damaged .*CRC"):
        state_dict.read(path)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View(numbers(6), 1, (2, 3), (3, 1)), "reaches beyond its storage"),
        (View(numbers(6), 0, (2, 3), (4, 1)), "reaches beyond its storage"),
        (View(numbers(6), 0, (2, 3), (-3, 1)), "stride"),
        (View(numbers(6), 0, (2, 3), (1,)), "without a storage"),
        (View(numbers(6), 0, (2**40, 2**40), (0, 0)), "size"),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(path, view, words):
    save(path, {"a": view})
    with pytest.raises(UserError, match=f"is damaged .*{words}"):
        state_dict.read(path)


def test_a_storage_of_another_size_is_refused(path):
    save(path, {"a": View(numbers(6))})
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    for change in (b"", b"1234", None):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                mine = change if name.endswith("data/0") else data
                if mine is not None:
                    archive.writestr(name, mine)
        with pytest.raises(UserError, match=r"24 are declared|data/0 is missing"):
            state_dict.read(path)


def test_a_compressed_archive_is_refused(path):
    save(path, {"a": View(np.zeros(1000, np.float32))}, compress=True)
    with pytest.raises(UserError, match="is compressed"):
        state_dict.read(path)


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "before 1.6"),
        (b"", "neither"),
        (b"<html>not found</html>", "neither"),
        (b"\x80\x02}.", "neither"),
    ],
)
def test_other_formats_are_named(path, begin, words):
    path.write_bytes(begin)
    with pytest.raises(UserError, match=words):
        state_dict.read(path)


@pytest.mark.parametrize(
    ("member", "words"),
    [("model/code/__torch__.py", "TorchScript"), ("word/document.xml", "another kind")],
)
def test_other_archives_are_named(path, member, words):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "x")
    with pytest.raises(UserError, match=words):
        state_dict.read(path)


def test_safetensors(path):
    arrays = {
        "module.a": numbers(3, 4),
        "module.b": numbers(2, dtype="bfloat16"),
        "module.c": numbers(2, dtype="int64"),
    }
    safetensors.numpy.save_file(arrays, path)  # the name says nothing, the bytes do
    found = state_dict.read(path)
    assert set(found.arrays) == {"a", "b", "c"}
    for name, array in found.arrays.items():
        assert array.dtype == arrays[f"module.{name}"].dtype
        np.testing.assert_array_equal(array, arrays[f"module.{name}"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"safetensors \(incomplete metadata"):
        state_dict.read(path)


def test_a_file_that_torch_wrote(path):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).half()
    net[0].weight.data = net[0].weight.data.to(memory_format=torch.channels_last)
    state = net.state_dict()
    torch.save({"state_dict": state, "args": {"lr": 0.1, "betas": (0.9, 0.99)}}, path)
    found = state_dict.read(path).arrays
    assert list(found) == list(state)
    for name, array in state.items():
        np.testing.assert_array_equal(found[name], array.numpy())
    torch.save(state, path, _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match=r"before 1\.6"):
        state_dict.read(path)
    torch.save(net, path)
    with pytest.raises(UserError, match=r"makes an object of torch\.nn\.modules"):
        state_dict.read(path)
