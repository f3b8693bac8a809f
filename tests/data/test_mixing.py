"""Ops that mix: what they paste, and that batches stay functions of (seed, step)."""

import numpy as np
import pytest

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE, IMAGE, INDEX, LABEL
from segjax.data import ops
from segjax.data.pipeline import examples
from tests.data.pairs import Memory
from tests.data.test_pipeline import same, take

TEXTS = ["cutmix(0.6)", "classmix(0.6)", "mosaic(p=0.6)", "mosaic() | cutmix()"]


def host(text):
    return opstring.parse(f"crop(6, 8) | {text} | flip_lr()", ops.OPS)


def solid(value, size=(20, 30)):
    """An image and a label of one number."""
    label = np.full(size, value, np.uint8)
    return {IMAGE: np.repeat(label[..., None], 3, 2), LABEL: label, INDEX: value}


def mix(text, given, seed=0):
    (op,) = opstring.parse(text, ops.OPS)
    return op.mix(given, np.random.default_rng(seed))


@pytest.mark.parametrize("text", ["cutmix()", "mosaic()", "mosaic(1)", "classmix()"])
def test_image_and_label_are_pasted_at_the_same_pixels(text):
    for seed in range(20):
        out = mix(
            text, [solid(v) for v in (1, 2, 3, 4)[: 4 if "mos" in text else 2]], seed
        )
        np.testing.assert_array_equal(out[IMAGE][..., 0], out[LABEL])
        assert out[INDEX] == 1


def test_cutmix_pastes_a_box_of_uniform_area():
    shares, draw = [], np.random.default_rng(1)
    (op,) = opstring.parse("cutmix()", ops.OPS)
    given = [solid(1), solid(2)]
    for _ in range(800):
        box = op.mix(given, draw)[LABEL] == 2
        assert box.sum() == box.any(0).sum() * box.any(1).sum()
        shares.append(box.mean())
    # A uniform area, less what leaves the image; by simulation:
    rng = np.random.default_rng(0)
    side, middle = np.sqrt(rng.random((1, 10**6))), rng.random((2, 10**6))
    left = np.clip(middle + side / 2, 0, 1) - np.clip(middle - side / 2, 0, 1)
    assert np.mean(shares) == pytest.approx(left.prod(0).mean(), abs=0.03)


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_classmix_pastes_half_of_the_classes_whole(count):
    label = np.repeat(np.arange(count), 4).astype(np.uint8)[None].repeat(5, 0)
    label[0] = IGNORE
    other = {IMAGE: np.repeat(label[..., None], 3, 2), LABEL: label}
    base = solid(77, label.shape)
    chosen = set()
    for seed in range(20):
        out = mix("classmix()", [base, other], seed)[LABEL]
        pasted = set(np.unique(out)) - {77}
        assert len(pasted) == (count + 1) // 2 and IGNORE not in pasted
        np.testing.assert_array_equal(out != 77, np.isin(label, list(pasted)))
        chosen |= pasted
    assert chosen == set(range(count))


def test_mosaic_is_four_windows():
    for seed in range(20):
        out = mix("mosaic(0.5)", [solid(v) for v in (1, 2, 3, 4)], seed)[LABEL]
        row, column = (out == 1).any(1).sum(), (out == 1).any(0).sum()
        assert 5 <= row <= 15 and 7 <= column <= 23
        want = np.block(
            [
                [np.full((row, column), 1), np.full((row, 30 - column), 2)],
                [np.full((20 - row, column), 3), np.full((20 - row, 30 - column), 4)],
            ]
        )
        np.testing.assert_array_equal(out, want)


def test_nothing_that_is_given_changes():
    given = [solid(v) for v in (1, 2, 3, 4)]
    mix("mosaic()", given)
    mix("cutmix()", given[:2])
    mix("classmix()", given[:2])
    for value, example in zip((1, 2, 3, 4), given, strict=True):
        assert (example[IMAGE] == value).all() and (example[LABEL] == value).all()


def test_unequal_sizes_say_what_to_put_before():
    with pytest.raises(UserError, match=r"20x30 and 21x30; .* Put crop"):
        mix("cutmix()", [solid(1), solid(2, (21, 30))])


@pytest.mark.parametrize("text", TEXTS)
def test_batches_are_a_function_of_seed_and_step(text):
    ops_ = host(text)
    plain = take(5, host=ops_)
    same(take(5, host=ops_, threads=1), plain)
    same(take(2, host=ops_, start_step=3), plain[3:])
    halves = [
        take(5, host=ops_, process_index=p, process_count=2, threads=2)
        for p in range(2)
    ]
    for step, batch in enumerate(plain):
        for key, want in batch.items():
            rows = np.stack([halves[p][step][key] for p in range(2)], axis=1)
            np.testing.assert_array_equal(rows.reshape(want.shape), want)


@pytest.mark.slow
def test_worker_processes_mix_alike():
    ops_ = host(TEXTS[-1])
    same(take(4, host=ops_, workers=2), take(4, host=ops_))


@pytest.mark.parametrize("text", TEXTS[:3])
def test_mixing_keeps_the_order_and_mixes_the_share_p(text):
    plain = take(20, host=host("shift(0, 0)"))
    mixed = take(20, host=host(text))
    changed = []
    for a, b in zip(plain, mixed, strict=True):
        np.testing.assert_array_equal(a[INDEX], b[INDEX])
        changed += [
            not np.array_equal(x, y) for x, y in zip(a[IMAGE], b[IMAGE], strict=True)
        ]
    assert 0.4 < np.mean(changed) < 0.8  # 0.6, of 80


def test_partners_are_others_of_the_epoch_and_all_alike():
    source = Memory(5)
    op, partners = ops.OPS["cutmix"](1), []

    class Seen(type(op)):
        def mix(self, examples, rng):
            partners.append([int(e[INDEX]) for e in examples])
            return examples[0]

    order = take(25, source, (Seen(1),), batch_size=5, threads=1, prefetch=1)
    for batch in order:
        assert set(batch[INDEX]) == set(range(5))  # a batch is an epoch
    pairs = np.array(partners)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    counts = np.bincount(pairs[:, 1], minlength=5)
    assert counts.min() > 0.3 * counts.mean()


def test_a_single_example_is_its_own_partner():
    (batch,) = take(1, Memory(1), host("mosaic(p=1)"), batch_size=2)
    assert batch[IMAGE].shape == (2, 6, 8, 3)


def test_without_a_toss_no_partner_is_read():
    read = []

    class Counted(Memory):
        def __getitem__(self, i):
            read.append(i)
            return super().__getitem__(i)

    op = host("mosaic(p=0)")
    take(3, Counted(10), op, threads=1, prefetch=1)
    assert len(read) <= 4 * (3 + 2)  # two batches read ahead


def test_a_bad_partner_is_named_alone():
    with pytest.raises(UserError) as error:
        take(12, Memory(bad=3), host("cutmix(1)"))
    assert str(error.value) == "tiny n3: pixels: are bad."


def test_the_example_and_the_op_are_named():
    class Uneven(Memory):
        def __getitem__(self, i):
            return Memory(size=(8 + i % 2, 12))[i]

    with pytest.raises(UserError, match=r"tiny n\d: CutMix\(p=1\): .* 8x12 and 9x12"):
        take(12, Uneven(10), host("cutmix(1)")[1:2])


def test_evaluation_refuses_to_mix():
    with pytest.raises(UserError, match="is random"):
        examples(Memory(), host("cutmix()")[1:2])


@pytest.mark.parametrize(
    "last", ["crop(6, 8)", "scale()", "rotate90()", "resize(4, 4)"]
)
def test_mixing_before_a_change_of_size_is_refused(last):
    text = f"mosaic() | flip_lr() | {last} | cutmix() | normalize()"
    with pytest.raises(UserError, match=r"Mosaic\(.*\) stands before") as error:
        ops.split(opstring.parse(text, ops.OPS))
    assert len(error.value.problems) == 1


def test_all_that_is_wrong_with_an_order_is_said_at_once():
    with pytest.raises(UserError) as error:
        ops.split(opstring.parse("cutmix() | crop(4, 4)", ops.OPS))
    assert len(error.value.problems) == 2
