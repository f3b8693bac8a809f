"""Videos frame by frame: what the whole clip gives, from an empty memory each time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.models import MODELS
from segjax.predict.decide import make_judge
from segjax.predict.stream import make_stream
from segjax.predict.ways import Buckets, Whole

K = 3
VIDEOS = {"a": (4, 12, 10), "b": (3, 12, 10), "c": (2, 9, 13)}
"""Name -> frames, height, width; `a` and `b` are of one size."""


@functools.cache
def network():
    model = MODELS["convlstm_unet"](num_outputs=K, width=4, depth=1, outputs="all")
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 12, 10, 3)))
    return model, variables


def frames() -> list[tuple[str, dict]]:
    rng, found = np.random.default_rng(0), []
    for name, (T, H, W) in VIDEOS.items():
        for _ in range(T):
            image = rng.integers(0, 256, (H, W, 3)).astype(np.uint8)
            label = rng.integers(0, K, (H, W)).astype(np.uint8)
            label[0] = IGNORE
            example = {IMAGE: image, LABEL: label, INDEX: np.int64(len(found))}
            found.append((name, example))
    return found


def normalize(images):
    return images / 127.5 - 1.0


def test_a_stream_is_the_clip():
    model, variables = network()
    names, examples = zip(*frames(), strict=True)
    stream = make_stream(
        model,
        Whole(),
        normalize=normalize,
        judge=make_judge("multiclass", K),
        videos=names,
    )
    found = list(stream(variables, iter(examples)))
    assert [p.index for p in found] == list(range(len(examples)))
    for video, (_, H, W) in VIDEOS.items():
        mine = [i for i, name in enumerate(names) if name == video]
        sides = [(0, -n % model.stride) for n in (H, W)]
        clip = np.stack([examples[i][IMAGE] for i in mine])
        clip = np.pad(clip, ((0, 0), *sides, (0, 0)), mode="symmetric")
        logits = model.apply(variables, jnp.asarray(normalize(clip))[None])[
            0, :, :H, :W
        ]
        for i, expected in zip(mine, logits.argmax(-1), strict=True):
            assert np.mean(found[i].ids == expected) > 0.99  # rounding may tip a pixel
            label = examples[i][LABEL]
            pairs = label[label != IGNORE] * K + found[i].ids[label != IGNORE]
            by_hand = np.bincount(pairs, minlength=K * K).reshape(K, K)
            np.testing.assert_array_equal(found[i].counts, by_hand)


def test_the_memory_matters_and_ends_with_a_video():
    model, variables = network()
    examples = [example for _, example in frames()]
    first, second = examples[2], examples[3]

    def last(*clip, videos=("one",) * 9):
        stream = make_stream(
            model,
            Whole(),
            normalize=normalize,
            judge=make_judge("multiclass", K),
            videos=videos,
        )
        return list(stream(variables, clip))[-1].ids

    assert (last(first, second) != last(second)).any()
    np.testing.assert_array_equal(last(first, second, videos="abcdefghi"), last(second))


def test_a_model_of_images_is_refused():
    model = MODELS["unet"](num_outputs=K, width=2, depth=1)
    with pytest.raises(UserError, match="has no memory"):
        make_stream(
            model,
            Whole(),
            normalize=normalize,
            judge=make_judge("multiclass", K),
            videos=(),
        )


def test_frames_in_buckets_are_frames_padded_to_them():
    model, variables = network()
    names, examples = zip(*frames(), strict=True)
    judge = make_judge("multiclass", K)

    def shown(way):
        stream = make_stream(model, way, normalize=normalize, judge=judge, videos=names)
        return [p.ids for p in stream(variables, iter(examples))]

    legal = {tuple(map(model.input_side, (h, w))) for _, h, w in VIDEOS.values()}
    for a, b in zip(shown(Whole()), shown(Buckets(tuple(legal))), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(UserError, match="frame of 12x10"):
        shown(Buckets(((8, 16),)))


def test_a_frame_that_was_made_smaller_is_answered_at_its_own_size():
    model, variables = network()
    _, example = frames()[0]
    small = {**example, IMAGE: example[IMAGE][::2, ::2]}
    answers = []
    for way in (Whole(), Buckets(((6, 6), (16, 16)))):
        stream = make_stream(
            model,
            way,
            normalize=normalize,
            judge=make_judge("multiclass", K),
            videos=("a",),
        )
        (found,) = stream(variables, [small])
        assert found.ids.shape == example[LABEL].shape
        assert found.counts.sum() == (example[LABEL] != IGNORE).sum()
        answers.append(found.ids)
    np.testing.assert_array_equal(*answers)
