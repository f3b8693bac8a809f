"""What ops on the image alone keep to, over their table; then each op's own numbers."""

import concurrent.futures
import io
import itertools

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL import ImageFilter as Filters

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.data import ops
from segjax.data.ops.sharpness import smeared
from tests.contracts.photometric import DRAWN_PER_FRAME, PHOTOMETRIC

CASES = [(name, text) for name, texts in PHOTOMETRIC.items() for text in texts]
WEATHER = ("fog", "night", "rain", "shadow", "snow", "sun_glare")
JITTERED = ([10, 11, 13], [97, 98, 99], 7230)
"""Two pixels and the sum of what `color_jitter()` makes of a ramp with seed 3."""
RANDOM = [n for n in PHOTOMETRIC if ops.is_random(ops.OPS[n])]


class Drawing(np.random.Generator):
    """A generator whose uniform numbers all lie at one share of their range."""

    def __init__(self, share: float):
        super().__init__(np.random.PCG64(0))
        self.share = share

    def uniform(self, low=0.0, high=1.0, size=None):
        value = low + self.share * (high - low)
        return value if size is None else np.full(size, value)


def picture(seed: int = 0, height: int = 45, width: int = 64) -> np.ndarray:
    """Smooth coloured noise with a wide histogram."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 10, 240, 32)


def grey_picture(seed: int = 0) -> np.ndarray:
    return np.repeat(picture(seed)[..., :1], 3, axis=2)


def parsed(text: str):
    (op,) = opstring.parse(text, ops.OPS)
    return op


def apply(text: str, image: np.ndarray, seed: int = 0) -> np.ndarray:
    op, example = parsed(text), {IMAGE: image}
    if ops.is_random(op):
        return op.random_map(example, np.random.default_rng(seed))[IMAGE]
    return op.map(example)[IMAGE]


def test_no_op_of_geometry_is_here():
    assert all(not ops.OPS[n].__module__.endswith("geometry") for n in PHOTOMETRIC)


@pytest.mark.parametrize(("name", "text"), CASES)
@pytest.mark.parametrize("size", [(45, 64), (1, 1), (3, 90), (64, 37)])
def test_the_image_alone_changes(name, text, size):
    del name
    label = np.zeros(size, np.uint8)
    given = {IMAGE: picture(0, *size), LABEL: label, INDEX: np.int64(7)}
    op = parsed(text)
    out = (
        op.random_map(given, np.random.default_rng(0))
        if ops.is_random(op)
        else op.map(given)
    )
    assert out[LABEL] is label
    assert out.keys() == given.keys()
    assert out[IMAGE].dtype == np.uint8
    assert out[IMAGE].shape == (*size, 3)
    assert out[IMAGE].flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("name", "text"), CASES)
def test_it_acts(name, text):
    del name
    image = picture()
    assert any((apply(text, image, seed) != image).any() for seed in range(4))


@pytest.mark.parametrize("name", [n for n in RANDOM if n != "random_grey"])
def test_seeds_differ(name):
    text, image = PHOTOMETRIC[name][0], picture()
    made = {apply(text, image, seed).tobytes() for seed in range(8)}
    assert len(made) > 1


@pytest.mark.parametrize("name", [n for n in RANDOM if n != "color_jitter"])
def test_p_is_a_probability(name):
    op, given = ops.OPS[name], {IMAGE: picture()}
    never = op(p=0)
    assert all(
        never.random_map(given, np.random.default_rng(s)) is given for s in range(5)
    )
    half = op(p=0.5)
    kept = sum(
        half.random_map(given, np.random.default_rng(s)) is given for s in range(100)
    )
    assert 30 <= kept <= 70  # the binomial's 5 sigma is 25
    with pytest.raises(UserError, match=r"p=1.5: must be in \[0, 1\]"):
        op(p=1.5)


@pytest.mark.parametrize(("name", "text"), CASES)
def test_a_clip_changes_as_one(name, text):
    """Frames of one picture stay alike, but for what is drawn for each frame."""
    image = picture()
    clip = apply(text, np.stack([image] * 3), 4)
    assert clip.shape == (3, *image.shape)
    np.testing.assert_array_equal(clip[0], apply(text, image, 4))
    if name in DRAWN_PER_FRAME:
        assert (clip[0] != clip[1]).any()
        means = clip.mean((1, 2, 3))  # the strength is the clip's
        assert np.ptp(means) < 12
    else:
        for frame in clip[1:]:
            np.testing.assert_array_equal(frame, clip[0])


@pytest.mark.parametrize(
    "text", ["equalize()", "stretch()", "contrast()", "gamma()", "solarize(p=1)"]
)
def test_a_clip_has_one_table(text):
    """A bright and a dark frame: the same value becomes the same in both."""
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[:, None, None], 3, axis=2)
    clip = np.stack([np.tile(ramp, (1, 4, 1)), np.tile(ramp // 2, (1, 4, 1))])
    out = apply(text, clip, 1)
    np.testing.assert_array_equal(out[1, ::2], out[0, :100])


@pytest.mark.parametrize("name", DRAWN_PER_FRAME)
def test_threads_make_no_difference(name):
    text, image = PHOTOMETRIC[name][0], picture()
    alone = [apply(text, image, seed) for seed in range(12)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: apply(text, image, seed), range(12)))
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("name", WEATHER)
def test_weather_grows_with_its_strength(name):
    image = picture(0, 90, 120).astype(float)
    change = [
        np.mean(
            [abs(apply(f"{name}({s}, {s}, 1)", picture(0, 90, 120), k) - image).mean()
             for k in range(6)]
        )
        for s in (0, 0.25, 0.5, 1)
    ]  # fmt: skip
    assert change[0] < 0.5
    assert change[0] < change[1] < change[2] < change[3]
    with pytest.raises(UserError, match=r"min=0\.5, max=0\.2: must be min <= max"):
        ops.OPS[name](0.5, 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "brightness(0)", "contrast(0)", "saturation(0)", "hue(0)", "gamma(1, 1)",
        "noise(0, 1)", "salt_and_pepper(0, 1)", "sharpen(0, p=1)", "posterize(8, 8, 1)",
        "blur(0.01, 0.01, 1)",
    ],
)  # fmt: skip
def test_strength_nothing_is_the_image(text):
    np.testing.assert_array_equal(apply(text, picture()), picture())


@pytest.mark.parametrize(
    ("alone", "jitter"),
    [
        ("brightness(0.5)", "color_jitter({}, 0, 0, 0)"),
        ("contrast(0.5)", "color_jitter(0, {}, 0, 0)"),
        ("saturation(0.5)", "color_jitter(0, 0, {}, 0)"),
        ("hue(0.5)", "color_jitter(0, 0, 0, {})"),
    ],
)
def test_alone_as_in_the_jitter(alone, jitter):
    """The jitter draws four numbers; here each draw is the same."""
    given = {IMAGE: picture()}
    one = parsed(alone).random_map(given, Drawing(0.8))[IMAGE]
    both = parsed(jitter.format(0.5)).random_map(given, Drawing(0.8))[IMAGE]
    np.testing.assert_array_equal(one, both)
    assert (one != given[IMAGE]).any()


def test_color_jitter_makes_what_it_always_made():
    """Numbers noted before its parts became ops of their own."""
    image = np.arange(96, dtype=np.uint8).reshape(4, 8, 3) * 2
    got = parsed("color_jitter()").random_map({IMAGE: image}, np.random.default_rng(3))[
        IMAGE
    ]
    assert got[0, 0].tolist() == JITTERED[0]
    assert got[2, 5].tolist() == JITTERED[1]
    assert int(got.sum()) == JITTERED[2]


def test_equalize_is_opencv_on_grey():
    image = grey_picture()
    got = apply("equalize()", image)
    np.testing.assert_array_equal(got[..., 0], cv2.equalizeHist(image[..., 0]))
    np.testing.assert_array_equal(got[..., 0], got[..., 2])


def test_clahe_is_opencv_on_the_lightness():
    image = picture()
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(3.0, (4, 4)).apply(lab[..., 0].copy())
    want = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    np.testing.assert_array_equal(apply("clahe(3.0, 4)", image), want)


@pytest.mark.parametrize(("low", "high"), [(0, 100), (1, 99), (20, 70.5), (50, 50)])
def test_stretch_is_numpys_percentiles(low, high):
    image = picture()
    a, b = np.percentile(image, (low, high), method="inverted_cdf").astype(float)
    got = apply(f"stretch({low}, {high})", image)
    if a == b:
        np.testing.assert_array_equal(got, image)
        return
    want = np.clip((image - a) / (b - a) * 255, 0, 255)
    np.testing.assert_allclose(got, want, atol=0.5001)


def test_stretch_leaves_one_level():
    image = np.full((5, 6, 3), 77, np.uint8)
    np.testing.assert_array_equal(apply("stretch()", image), image)


def test_grey_is_pillows():
    image = picture()
    got = apply("grey()", image)
    assert (got == got[..., :1]).all()
    want = np.array(Image.fromarray(image).convert("L")).astype(int)
    assert abs(got[..., 0] - want).max() <= 1  # fixed point of other widths


def test_posterize_and_solarize_are_pillows():
    image = picture()
    for bits in (1, 3, 8):
        want = np.array(ImageOps.posterize(Image.fromarray(image), bits))
        got = apply(f"posterize({bits}, {bits}, 1)", image)
        np.testing.assert_array_equal(got, want)
    want = np.array(ImageOps.solarize(Image.fromarray(image), 130))
    np.testing.assert_array_equal(apply("solarize(130, 130, 1)", image), want)


def test_gamma_is_the_power():
    want = 255 * (picture() / 255) ** 2.2
    np.testing.assert_allclose(apply("gamma(2.2, 2.2)", picture()), want, atol=0.5001)


def test_blur_is_pillows():
    """Away from the border, where the two mirror otherwise."""
    image = picture(0, 80, 80)
    want = np.array(Image.fromarray(image).filter(Filters.GaussianBlur(2)))
    got = apply("blur(2, 2, 1)", image).astype(int)
    assert abs(got - want)[12:-12, 12:-12].max() <= 2  # Pillow takes boxes


@pytest.mark.parametrize("angle", [0, 0.4, np.pi / 4, np.pi / 2, 2.5])
@pytest.mark.parametrize("half", [1, 4, 12])
def test_smeared_is_a_line_in_filter2d(half, angle):
    image = picture()
    kernel = np.zeros((2 * half + 1,) * 2)
    for step in range(-half, half + 1):
        row, column = step * np.sin(angle), step * np.cos(angle)
        kernel[half + round(row), half + round(column)] += 1
    kernel /= kernel.sum()
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])  # nothing is shifted
    want = cv2.filter2D(image.astype(np.float64), -1, kernel)
    np.testing.assert_allclose(smeared(image, half, angle), want, atol=0.5001)


def test_sharpen_is_the_unsharp_mask():
    image = picture()
    soft = cv2.GaussianBlur(image, (0, 0), 1.5).astype(float)
    want = np.clip(image + 2.0 * (image - soft), 0, 255)
    got = parsed("sharpen(2, 1.5, 1)").random_map({IMAGE: image}, Drawing(1))[IMAGE]
    np.testing.assert_allclose(got, want, atol=0.5001)


def test_noise_has_its_deviation_and_no_bias():
    image = np.full((200, 300, 3), 128, np.uint8)
    out = parsed("noise(12, 1)").random_map({IMAGE: image}, Drawing(1))[IMAGE]
    added = out - 128.0
    assert abs(added.mean()) < 5 * 12 / np.sqrt(added.size)
    assert abs(added.std() - 12) < 0.1
    flat = added.reshape(-1, 3)
    off = np.corrcoef(flat.T) - np.eye(3)
    assert abs(off).max() < 0.02  # the channels know nothing of each other


def test_salt_and_pepper_turns_whole_pixels():
    image = picture(0, 200, 300)
    out = apply("salt_and_pepper(0.2, 1)", image, 3)
    rng = np.random.default_rng(3)
    rng.random()
    share = rng.uniform(0, 0.2)
    turned = (out != image).any(axis=2)
    assert abs(turned.mean() - share) < 5 * np.sqrt(share / turned.size)
    assert set(map(tuple, out[turned])) == {(0, 0, 0), (255, 255, 255)}
    assert 0.4 < (out[turned] == 255).mean() < 0.6


@pytest.mark.parametrize("colour", [(200, 40, 40), (30, 60, 220)])
def test_jpeg_keeps_hues(colour):
    """Red stays red: in BGR's place of RGB the chroma would lose something else."""
    image = np.empty((32, 32, 3), np.uint8)
    image[:] = colour
    got = apply("jpeg(90, 90, 1)", image).astype(int)
    assert abs(got - colour).max() <= 4


def test_jpeg_is_pillows_jpeg():
    """Both call libjpeg with 4:2:0; a swap of red and blue would show in the chroma."""
    image, file = picture(0, 64, 96), io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=40, subsampling="4:2:0")
    want = np.array(Image.open(file)).astype(int)
    assert abs(apply("jpeg(40, 40, 1)", image) - want).mean() < 0.5


def test_fog_hides_what_is_high_more():
    image = np.zeros((90, 120, 3), np.uint8)
    rows = apply("fog(0.7, 0.7, 1)", image).mean((1, 2))
    assert rows[5] > 1.5 * rows[-5] > 10
    means = [m.mean() for m in np.split(rows[36:], 6)]
    assert all(a > b for a, b in itertools.pairwise(means))


def test_night_is_dark_and_blue():
    image = np.full((40, 40, 3), 128, np.uint8)
    red, green, blue = apply("night(0.8, 0.8, 1)", image).mean((0, 1))
    assert red < green < blue < 90


def test_shadows_darken_and_glare_brightens():
    image = picture(0, 90, 120).astype(int)
    for seed in range(6):
        dark = apply("shadow(1, 1, 1)", picture(0, 90, 120), seed)
        bright = apply("sun_glare(1, 1, 1)", np.full((90, 120, 3), 80, np.uint8), seed)
        assert (dark <= image).all()
        assert (dark < image // 2).any()
        assert bright.min() >= 80
        assert bright.max() > 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gamma(0, 1)", "min=0"),
        ("gamma(2, 1)", "min=2, max=1"),
        ("blur(0, 1)", "min=0"),
        ("motion_blur(2)", "max=2"),
        ("sharpen(-1)", "max=-1"),
        ("noise(-1)", "max=-1"),
        ("salt_and_pepper(2)", "max=2"),
        ("jpeg(0, 50)", "min=0"),
        ("jpeg(90, 50)", "min=90, max=50"),
        ("jpeg(30.5)", "is a float; int is allowed"),
        ("clahe(0)", "clip_limit=0"),
        ("clahe(tiles=0)", "tiles=0"),
        ("stretch(60)", "low=60"),
        ("random_stretch(51)", "max=51"),
        ("posterize(0)", "min=0"),
        ("solarize(0, 256)", "max=256"),
        ("brightness(2)", "strength=2"),
        ("hue(0.6)", "strength=0.6"),
        ("fog(0.5, 2)", "max=2"),
        ("snow(p=-0.1)", "p=-0.1"),
        ("rian()", "Did you mean 'rain'"),
    ],
)
def test_bad_arguments_are_named(text, message):
    with pytest.raises(UserError, match="ops: ") as error:
        parsed(text)
    assert message in str(error.value)


def test_all_bad_arguments_at_once():
    with pytest.raises(UserError) as error:
        parsed("fog(-1, 2, 3)")
    assert len(error.value.problems) == 3
