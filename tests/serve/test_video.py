"""A model with a memory goes along videos as the run does, and takes single images."""

import numpy as np
import pytest

from segjax import parts as all_parts
from segjax.core.errors import UserError
from segjax.core.keys import IMAGE, INDEX, LABEL


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (24, 32, 3))
    moved = (still + rng.integers(-40, 40, (5, 24, 32, 3))).clip(0, 255)
    return list(moved.astype(np.uint8))


def of_the_run(folder, frames, protocol):
    parts, variables, _ = all_parts.load(folder)
    stream = parts.stream(["one"] * len(frames), parts.protocol(protocol), True)
    label = np.full(frames[0].shape[:2], 255, np.uint8)
    examples = (
        {IMAGE: frame, LABEL: label, INDEX: np.int64(i)}
        for i, frame in enumerate(frames)
    )
    return list(stream(variables, examples))


@pytest.mark.parametrize("protocol", ["whole()", "buckets((24, 32), (48, 48))"])
def test_a_video_is_that_of_the_run_frame_by_frame(
    clips, clips_folder, frames, protocol
):
    video = clips.stream(probabilities=True)
    for frame, theirs in zip(
        frames, of_the_run(clips_folder, frames, protocol), strict=True
    ):
        ours = video.answer(frame)
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-5)


def test_the_past_matters_and_videos_begin_anew(clips, frames):
    video = clips.stream(probabilities=True)
    last = [video.answer(frame) for frame in frames][-1]
    alone = clips.answer(frames[-1], probabilities=True)
    assert not np.allclose(last.probabilities, alone.probabilities, atol=1e-4)
    first = clips.stream(probabilities=True).answer(frames[-1])
    np.testing.assert_allclose(first.probabilities, alone.probabilities, atol=1e-5)


def test_frames_of_another_size_begin_anew(clips, frames):
    video = clips.stream(probabilities=True)
    small = frames[0][:20, :30]
    for frame in frames:
        video.answer(frame)
    large = np.pad(frames[0], ((0, 10), (0, 8), (0, 0)), mode="symmetric")
    found = video.answer(large)
    assert found.ids.shape == large.shape[:2]
    again = clips.stream(probabilities=True).answer(large)
    np.testing.assert_allclose(found.probabilities, again.probabilities, atol=1e-6)
    assert video.answer(small).ids.shape == small.shape[:2]


def test_a_frame_that_no_program_holds_is_refused(clips):
    with pytest.raises(UserError, match="frame of 60x60"):
        clips.stream().answer(np.zeros((60, 60, 3), np.uint8))
    assert clips.answer(np.zeros((60, 60, 3), np.uint8)).ids.shape == (60, 60)


def test_a_model_of_images_has_no_memory(model):
    with pytest.raises(UserError, match="has no memory"):
        model.stream()
