"""oneDNN's convolutions against the definition, and when they are taken."""

import concurrent.futures
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core import native
from segjax.models import MODELS
from segjax.nn import backend, onednn
from segjax.nn.conv import convolve
from tests.nn.test_conv import noise, tap_by_tap, value_and_gradients

CASES = {
    # (H, W, C), (kh, kw, F), options
    "1x1": ((6, 5, 4), (1, 1, 3), {}),
    "1x1 strided": ((6, 5, 4), (1, 1, 3), {"stride": 2}),
    "3x3": ((7, 6, 16), (3, 3, 17), {}),
    "3x3, of few channels": ((7, 6, 2), (3, 3, 16), {}),
    "3x3, a long sum": ((40, 30, 2), (3, 3, 2), {}),
    "3x3 strided": ((7, 6, 4), (3, 3, 3), {"stride": 2}),
    "7x7 strided, of an image": ((12, 9, 3), (7, 7, 8), {"stride": 2}),
    "5x5, stride of 3": ((11, 13, 3), (5, 5, 4), {"stride": 3}),
    "2x2, stride of 2": ((6, 8, 3), (2, 2, 4), {"stride": 2, "padding": 0}),
    "3x2 unpadded": ((6, 7, 4), (3, 2, 3), {"padding": 0}),
    "more zeros than needed": ((6, 7, 4), (2, 2, 3), {"padding": (3, 2)}),
    "atrous": ((8, 9, 4), (3, 3, 3), {"rate": 5}),
    "atrous, a row": ((5, 7, 4), (3, 3, 3), {"rate": 5}),
    "atrous, fewer zeros": ((9, 9, 4), (3, 3, 3), {"rate": 4, "padding": 2}),
    "atrous, more zeros": ((5, 6, 4), (3, 3, 3), {"rate": 4, "padding": 6}),
    "atrous, strided": ((9, 9, 4), (3, 3, 3), {"rate": 2, "stride": 2}),
    "grouped": ((7, 6, 8), (3, 3, 6), {"groups": 2}),
    "depthwise": ((7, 6, 8), (3, 3, 8), {"groups": 8}),
    "depthwise, strided, atrous": (
        (9, 9, 8),
        (3, 3, 8),
        {"groups": 8, "stride": 2, "rate": 2},
    ),
    "depthwise, two a channel": ((7, 6, 4), (3, 3, 8), {"groups": 4}),
}


CREW = pathlib.Path(onednn.__file__).with_name("crew.cc")


@pytest.fixture
def present(monkeypatch):
    """As in a process with one CPU."""
    need_its_platform()
    reason = onednn._load()
    assert not reason, reason
    monkeypatch.setattr(onednn, "absent", lambda: "")


def need_its_platform() -> None:
    """There is no package of oneDNN for others, on which XLA's own forms are taken."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"no oneDNN for {sys.platform} on {platform.machine()}")


def in_a_process_with_one_cpu(code: str, *words: str, **variables: str):
    need_its_platform()
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"} | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def calls(function, *arguments) -> int:
    text = jax.jit(function).lower(*arguments).as_text()
    return sum(text.count(f"@segjax_{name}(") for name in onednn.CALLS)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradients_are_those_of_the_definition(case, dtype, present):
    (H, W, C), (kh, kw, F), options = CASES[case]
    x = noise(2, H, W, C, dtype=dtype)
    kernel = noise(kh, kw, C // options.get("groups", 1), F, dtype=dtype)
    wide = x.astype("float32"), kernel.astype("float32")
    value, _, _ = tap_by_tap(*wide, None, **options)
    weights = noise(*value.shape, seed=3, dtype=dtype)
    got = value_and_gradients(x, kernel, weights, options)
    expected = tap_by_tap(*wide, weights.astype("float32"), **options)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.dtype == dtype
        # a bfloat16 has eight bits
        close = dict(atol=1e-4) if dtype == "float32" else dict(atol=2e-2, rtol=2**-8)
        np.testing.assert_allclose(ours.astype("float32"), theirs, **close)
    assert calls(lambda x, k: convolve(x, k, **options), x, kernel) == 1


def test_two_runs_are_equal_to_the_bit(present):
    x, kernel = noise(4, 64, 48, 16), noise(3, 3, 16, 16)
    gradient = jax.jit(jax.grad(lambda k: (convolve(x, k) ** 2).sum()))
    first, *others = (np.asarray(gradient(kernel)) for _ in range(5))
    assert all(np.array_equal(first, other) for other in others)


def test_programs_at_the_same_time_get_what_they_get_alone(present):
    """More of them than threads, so that calls wait, and serve each other meanwhile."""
    x, kernel = noise(4, 24, 20, 16), noise(3, 3, 16, 32)

    def loss(x, kernel):
        branches = [convolve(x, kernel, rate=rate) for rate in (1, 2, 3)]
        return sum((branch**2).sum() for branch in branches)  # XLA runs them at a time

    gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))

    def leaves(_):
        return [np.asarray(leaf) for leaf in jax.tree.leaves(gradients(x, kernel))]

    alone = leaves(0)
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        for together in threads.map(leaves, range(60)):
            assert all(map(np.array_equal, together, alone))


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_a_crew_does_each_part_of_a_region_once(sanitizer, tmp_path):
    """The C++ alone, under the compiler's own checks for races and for memory."""
    need_its_platform()
    sources = [pathlib.Path(__file__).with_name("crew_test.cc"), CREW]
    program, flags = tmp_path / "crew", ["-std=c++17", "-O1", "-g"]
    flags += [f"-I{CREW.parent}", f"-fsanitize={sanitizer}", "-pthread"]
    compiler = next(filter(None, map(shutil.which, native.COMPILERS)), None)
    assert compiler, "the other tests of this file need one, too"
    built = subprocess.run(
        [compiler, *flags, *map(str, sources), "-o", str(program)],
        capture_output=True,
        text=True,
    )
    if built.returncode and f"lib{sanitizer[0]}san" in built.stderr:  # a package apart
        pytest.skip(f"the library of the {sanitizer} sanitizer is not installed")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "0 wrong\n"), done.stderr


@pytest.mark.parametrize(
    ("wanted", "name"), [((0, 1), "to_both"), (0, "to_image"), (1, "to_kernel")]
)
def test_only_the_gradients_that_are_wanted_are_computed(wanted, name, present):
    x, kernel = noise(1, 8, 8, 4), noise(3, 3, 4, 4)
    gradient = jax.grad(lambda x, k: (convolve(x, k) ** 2).sum(), wanted)
    text = jax.jit(gradient).lower(x, kernel).as_text()
    found = {n: text.count(f"@segjax_{n}(") for n in onednn.CALLS}
    assert found == {n: int(n in ("forward", name)) for n in onednn.CALLS}


def test_a_train_step_holds_no_other_convolution(present):
    model = MODELS["unet"](num_outputs=3, width=4, depth=2)
    x = noise(1, 16, 16, 3)
    variables = model.init(jax.random.key(0), x)

    def loss(params, x):
        variables_ = {**variables, "params": params}
        y, _ = model.apply(variables_, x, train=True, mutable=["batch_stats"])
        return (y**2).mean()

    compiled = jax.jit(jax.grad(loss)).lower(variables["params"], x).compile()
    assert " convolution(" not in compiled.as_text()
    ours = compiled(variables["params"], x)
    with backend.portable():
        theirs = jax.jit(jax.grad(lambda p, x: loss(p, x)))(variables["params"], x)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_other_types_are_left_to_xla(present):
    x, kernel = noise(1, 8, 8, 4, dtype="float16"), noise(3, 3, 4, 4, dtype="float16")
    assert not calls(lambda x, k: convolve(x, k), x, kernel)


def test_a_cpu_without_bfloat16_computes_it_in_float32():
    code = (
        "import jax, jax.numpy as jnp, numpy as np\n"
        "from segjax.nn import backend, onednn\n"
        "from segjax.nn.conv import convolve\n"
        "assert not onednn.absent(), onednn.absent()\n"
        "assert not onednn._multiplies_bfloat16()\n"
        "x = jnp.sin(jnp.arange(2. * 9 * 9 * 4)).reshape(2, 9, 9, 4)\n"
        "k = jnp.cos(jnp.arange(9. * 16)).reshape(3, 3, 4, 4)\n"
        "x, k = x.astype('bfloat16'), k.astype('bfloat16')\n"
        "def both(x, k):\n"
        "    y, back = jax.vjp(convolve, x, k)\n"
        "    return y, *back(jnp.ones_like(y))\n"
        "text = jax.jit(both).lower(x, k).as_text()\n"
        "assert 'segjax_forward' in text and 'segjax_to_both' in text\n"
        "ours = jax.jit(both)(x, k)\n"
        "with backend.portable(): theirs = jax.jit(lambda *a: both(*a))(x, k)\n"
        "for a, b in zip(ours, theirs):\n"
        "    assert a.dtype == b.dtype == 'bfloat16'\n"
        "    a, b = (np.asarray(c, 'float32') for c in (a, b))\n"
        "    np.testing.assert_allclose(a, b, atol=2e-2, rtol=2 ** -7)\n"
    )
    in_a_process_with_one_cpu(code, ONEDNN_MAX_CPU_ISA="AVX2")


def test_a_program_that_leaves_the_machine_holds_none(present):
    x, kernel = noise(1, 8, 8, 4), noise(3, 3, 4, 4)
    with backend.portable():
        assert not calls(lambda x, k: convolve(x, k), x, kernel)
    assert calls(lambda x, k: convolve(x, k) + 0, x, kernel)


def test_a_size_that_is_none_is_an_error_and_no_crash(present):
    """A convolution of no output, which XLA would not let pass either."""
    call = jax.ffi.ffi_call("segjax_forward", jax.ShapeDtypeStruct((1, 9, 9, 4), "f4"))
    window = np.asarray([1, 1, 0, 0, 0, 0, 1], np.int64)
    with pytest.raises(jax.errors.JaxRuntimeError, match="primitive descriptor"):
        call(jnp.zeros((1, 8, 8, 4)), jnp.zeros((3, 3, 4, 4)), window=window)


def test_why_it_is_absent(monkeypatch, present):
    def reason() -> str:
        return ABSENT.__wrapped__()

    assert "8 cpu devices" in reason()  # of this suite
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    assert not reason()
    monkeypatch.setattr(native, "COMPILERS", ("no-such-compiler",))
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler" in reason()
    monkeypatch.setattr(onednn, "HEADERS", ("no-such-package", "x"))
    assert reason() == "no-such-package not installed"
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "arm64" in reason()
    monkeypatch.setenv("SEGJAX_ONEDNN", "0")
    assert "SEGJAX_ONEDNN" in reason()


ABSENT = onednn.absent


def test_it_works_with_the_threads_that_are_there():
    """OpenMP's own, which would compete with XLA's, are never begun."""
    code = (
        "import os, time, jax, jax.numpy as jnp\n"
        "from segjax.nn import onednn\n"
        "from segjax.nn.conv import convolve\n"
        "assert not onednn.absent(), onednn.absent()\n"
        "x, k = jnp.ones((2, 64, 64, 16)), jnp.ones((3, 3, 16, 16))\n"
        "f = jax.jit(jax.grad(lambda x, k: convolve(x, k).sum(), (0, 1)))\n"
        "program = f.lower(x, k).compile()\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "for _ in range(5): jax.block_until_ready(program(x, k))\n"
        "time.sleep(0.5)  # those that helped out end\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    done = in_a_process_with_one_cpu(code)
    assert done.stdout.strip() == "0"


def test_a_program_from_the_persistent_cache_computes_the_same(tmp_path):
    code = (
        "import jax, jax.numpy as jnp, hashlib, numpy as np\n"
        "from segjax.nn import onednn\n"
        "from segjax.nn.conv import convolve\n"
        "assert not onednn.absent(), onednn.absent()\n"
        "x = jnp.sin(jnp.arange(2. * 9 * 9 * 4)).reshape(2, 9, 9, 4)\n"
        "k = jnp.cos(jnp.arange(9. * 16)).reshape(3, 3, 4, 4)\n"
        "y = jax.jit(lambda x, k: convolve(x, k))(x, k)\n"
        "print(hashlib.sha256(np.asarray(y)).hexdigest())\n"
    )
    cached = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    digests, files = set(), []
    for _ in range(2):
        digests.add(in_a_process_with_one_cpu(code, **cached).stdout)
        files.append(sorted(tmp_path.glob("*lambda*-cache")))
    assert len(digests) == 1
    assert files[0] and files[0] == files[1]
