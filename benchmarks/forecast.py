"""Does the forecasting network learn? Digits that bounce in a box, as Moving MNIST.

    python benchmarks/forecast.py --out runs/forecast
    python benchmarks/forecast.py --widths 128 64 64 --batch 16 --steps 20000

Two digits, drawn by OpenCV's fonts in random sizes and strokes, move at a constant
speed and turn at the walls of a 64x64 box: ten frames are seen, ten are forecast.
Prints the squared error of a frame, summed over its pixels as in the tables of Moving
MNIST, beside that of the last frame, copied, and of the mean of the frames seen; writes
it as JSON, and a picture: seen, truth, forecast. The clips are not those of Moving
MNIST, so the figures compare with no table.

Source: Srivastava, Mansimov & Salakhutdinov, Unsupervised Learning of Video
  Representations using LSTMs, 2015, arXiv 1502.04681, section 3.2 (the task).
"""

import argparse
import json
import pathlib
import time

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import optax

from segjax.models.convlstm_forecaster import ConvLSTMForecaster
from segjax.train.init import count_parameters

SIDE, SEEN, AHEAD, DIGITS = 64, 10, 10, 2
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def digit(rng: np.random.Generator, size: int = 28) -> np.ndarray:
    """One digit, `(size, size)` uint8, white on black."""
    image = np.zeros((size, size), np.uint8)
    text, font = str(rng.integers(10)), FONTS[rng.integers(len(FONTS))]
    scale, stroke = rng.uniform(0.7, 0.95), int(rng.integers(1, 4))
    (width, height), _ = cv2.getTextSize(text, font, scale, stroke)
    corner = (size - width) // 2, (size + height) // 2
    cv2.putText(image, text, corner, font, scale, 255, stroke, cv2.LINE_AA)
    return image


def bounce(rng: np.random.Generator, frames: int, room: int) -> np.ndarray:
    """Corners `(frames, 2)` of a digit that turns at the walls of `room` pixels."""
    angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(2, 5)
    step = speed * np.array([np.sin(angle), np.cos(angle)])
    path = rng.uniform(0, room, 2) + step * np.arange(frames)[:, None]
    return np.rint(room - np.abs(path % (2 * room) - room)).astype(int)


def clips(rng: np.random.Generator, batch: int) -> np.ndarray:
    """`(batch, SEEN + AHEAD, SIDE, SIDE, 1)` float32 in `[0, 1]`."""
    made = np.zeros((batch, SEEN + AHEAD, SIDE, SIDE), np.uint8)
    for clip in made:
        for _ in range(DIGITS):
            image = digit(rng)
            n = len(image)
            for frame, (y, x) in zip(
                clip, bounce(rng, len(clip), SIDE - n), strict=True
            ):
                part = frame[y : y + n, x : x + n]
                np.maximum(part, image, out=part)
    return made[..., None].astype(np.float32) / 255


def picture(shown: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Rows for each clip: seen, truth, forecast; frames side by side."""
    rows = []
    for clip, guess in zip(shown, forecast, strict=True):
        for frames in (clip[:SEEN], clip[SEEN:], guess):
            tiles = np.pad(frames[..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=1)
            rows.append(np.concatenate(list(tiles), axis=1))
        rows.append(np.full((4, rows[-1].shape[1]), 0.5))
    return np.rint(255 * np.concatenate(rows)).astype(np.uint8)


def main() -> None:
    """Train, score, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default="runs/forecast")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 24])
    parser.add_argument("--kernel", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--remat", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    model = ConvLSTMForecaster(
        num_frames=AHEAD,
        widths=tuple(options.widths),
        kernel=options.kernel,
        remat=options.remat,
        dtype=options.dtype,
    )
    rng = np.random.default_rng(options.seed)
    rate = optax.cosine_decay_schedule(options.learning_rate, options.steps)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

    @jax.jit
    def step(variables, state, batch):
        def loss(variables):
            logits = model.apply(variables, batch[:, :SEEN])
            return optax.sigmoid_binary_cross_entropy(logits, batch[:, SEEN:]).mean()

        value, grads = jax.value_and_grad(loss)(variables)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(variables, updates), state, value

    init = jax.jit(model.init)
    variables = init(jax.random.key(options.seed), clips(rng, 1)[:, :SEEN])
    state, begin = tx.init(variables), time.monotonic()
    for at in range(1, options.steps + 1):
        variables, state, loss = step(variables, state, clips(rng, options.batch))
        if at % max(1, options.steps // 20) == 0:
            seconds = time.monotonic() - begin
            print(f"step {at}  loss {float(loss):.4f}  {seconds:.0f} s", flush=True)

    test = np.random.default_rng(10_000)  # no clip of the training
    forecast = jax.jit(lambda v, x: jax.nn.sigmoid(model.apply(v, x)))
    errors = {"forecast": [], "last frame": [], "mean of the seen": []}
    for _ in range(8):
        batch = jnp.asarray(clips(test, 8))
        seen, ahead = batch[:, :SEEN], batch[:, SEEN:]
        guesses = {
            "forecast": forecast(variables, seen),
            "last frame": seen[:, -1:],
            "mean of the seen": seen.mean(1, keepdims=True),
        }
        for name, guess in guesses.items():
            errors[name].append(((guess - ahead) ** 2).sum((2, 3, 4)).mean(0))
    curves = {name: np.mean(rows, axis=0) for name, rows in errors.items()}
    for name, curve in curves.items():
        frames = " ".join(f"{value:6.1f}" for value in curve)
        print(f"{name:17} {curve.mean():7.2f}   by frame {frames}")
    result = {
        "device": jax.devices()[0].device_kind,
        "parameters": count_parameters(variables),
        "seconds": round(time.monotonic() - begin),
        "options": {k: str(v) for k, v in vars(options).items()},
        "squared_error": {name: float(curve.mean()) for name, curve in curves.items()},
    }
    (options.out / "forecast.json").write_text(json.dumps(result, indent=2) + "\n")
    shown = np.asarray(batch[:4])
    image = picture(shown, np.asarray(guesses["forecast"][:4]))
    cv2.imwrite(str(options.out / "forecast.png"), image)
    print(f"{options.out / 'forecast.png'}: seen, truth, forecast")


if __name__ == "__main__":
    main()
