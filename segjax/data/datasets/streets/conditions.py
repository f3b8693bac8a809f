"""Light and weather of a scene: all that changes the image and never the label."""

import dataclasses
import math

import numpy as np

from segjax.data.datasets.streets.styles import pick

Colour = tuple[float, float, float]

HOURS = {"noon": 0.38, "afternoon": 0.30, "evening": 0.14, "dusk": 0.09, "night": 0.09}
SKIES = {"clear": 0.30, "cloudy": 0.32, "overcast": 0.18, "rain": 0.10, "fog": 0.10}
"""How often each hour and each weather is drawn."""

# per hour: sun elevation in degrees (low, high), sun colour, ambient, zenith, horizon
_HOUR_LIGHT = {
    "noon": (
        (40, 68),
        (0.78, 0.76, 0.71),
        (0.50, 0.52, 0.55),
        (74, 130, 205),
        (188, 212, 232),
    ),
    "afternoon": (
        (24, 42),
        (0.80, 0.73, 0.60),
        (0.46, 0.48, 0.52),
        (86, 138, 204),
        (205, 216, 224),
    ),
    "evening": (
        (7, 16),
        (0.62, 0.42, 0.24),
        (0.50, 0.49, 0.55),
        (104, 132, 184),
        (246, 206, 158),
    ),
    "dusk": (
        (1, 3),
        (0.06, 0.05, 0.07),
        (0.30, 0.30, 0.38),
        (58, 72, 118),
        (196, 138, 122),
    ),
    "night": ((1, 3), (0.0, 0.0, 0.0), (0.16, 0.17, 0.23), (12, 16, 34), (44, 42, 56)),
}


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Light, weather and sensor of one scene.

    Colours of light multiply albedos in 0..1; colours of things seen are RGB 0..255.

    Attributes:
      hour, sky: one of `HOURS`, one of `SKIES`.
      sun: unit vector towards the sun in road coordinates `(d, y, s)`.
      sun_light, ambient: RGB of direct and of indirect light.
      zenith, horizon: RGB of the sky.
      cloud: share of the sky under cloud, 0..1.
      haze: extinction, 1 / metre.
      shadow: share of the sun that a cast shadow takes away, 0..1.
      wet: how much the road mirrors, 0..1.
      rain: number of streaks, relative to the area of the image.
      lamps: whether street lamps, windows and headlights are lit.
      noise: standard deviation of the sensor noise, in levels of 255.
      blur: standard deviation of the lens blur, in pixels of a 360-row image.
      gains: RGB white balance and exposure.
      seed: of clouds, streaks and noise.
    """

    hour: str
    sky: str
    sun: tuple[float, float, float]
    sun_light: Colour
    ambient: Colour
    zenith: Colour
    horizon: Colour
    cloud: float
    haze: float
    shadow: float
    wet: float
    rain: float
    lamps: bool
    noise: float
    blur: float
    gains: Colour
    seed: int

    def facing(self, d: float, y: float, s: float) -> float:
        """Cosine between a surface's normal and the sun, 0 where it faces away."""
        return max(0.0, d * self.sun[0] + y * self.sun[1] + s * self.sun[2])

    def shade(
        self, albedo: tuple, s: float, facing: float = 0.4, glow: float = 0.0
    ) -> tuple[float, float, float]:
        """RGB 0..255 of a surface of RGB `albedo` 0..255, `s >= 0` metres away.

        `facing` is the cosine to the sun; `glow` in 0..1 is light of its own.
        """
        clear = math.exp(-self.haze * s)
        lamp = 0.55 * math.exp(-s / 14.0) if self.lamps else 0.0
        (r, g, b), (er, eg, eb) = albedo, self.ambient
        (kr, kg, kb), (hr, hg, hb) = self.sun_light, self.horizon
        rest = 1.0 - clear  # unrolled: this runs some hundred times per image
        return (
            clear * min(255.0, r * max(er + facing * kr + lamp, glow)) + rest * hr,
            clear * min(255.0, g * max(eg + facing * kg + lamp, glow)) + rest * hg,
            clear * min(255.0, b * max(eb + facing * kb + lamp, glow)) + rest * hb,
        )


def make(rng: np.random.Generator) -> Conditions:
    """Draw the conditions of a scene."""
    hour, sky = pick(rng, HOURS), pick(rng, SKIES)
    (low, high), sun_light, ambient, zenith, horizon = _HOUR_LIGHT[hour]
    elevation = np.deg2rad(rng.uniform(low, high))
    azimuth = rng.uniform(-np.pi, np.pi)
    dull = {"clear": 0.0, "cloudy": 0.15, "overcast": 0.85, "rain": 1.0, "fog": 1.0}[
        sky
    ]
    dull = float(np.clip(dull + rng.uniform(-0.1, 0.1), 0, 1))
    grey = np.mean(horizon) * 0.96

    def mix(colour, k: float) -> np.ndarray:
        return np.asarray(colour) * (1 - k) + grey * k

    ambient = np.asarray(ambient) * (1 + 0.5 * dull)
    temperature = rng.normal(0, 0.035)
    exposure = rng.uniform(0.96, 1.2) * (1.25 if hour in ("dusk", "night") else 1.0)
    return Conditions(
        hour=hour,
        sky=sky,
        sun=(
            float(np.cos(elevation) * np.sin(azimuth)),
            float(np.sin(elevation)),
            float(np.cos(elevation) * np.cos(azimuth)),
        ),
        sun_light=_colour(np.asarray(sun_light) * (1 - 0.92 * dull)),
        ambient=_colour(ambient),
        zenith=_colour(mix(zenith, 0.9 * dull) * (1 - 0.12 * dull)),
        horizon=_colour(mix(horizon, 0.9 * dull)),
        cloud={"clear": 0.06, "cloudy": 0.5}.get(sky, 1.0)
        * float(rng.uniform(0.8, 1.2)),
        haze={"fog": 1 / rng.uniform(28, 60), "rain": 1 / 170, "overcast": 1 / 350}.get(
            sky, 1 / rng.uniform(450, 1100)
        ),
        shadow=float(1 - dull) if hour not in ("dusk", "night") else 0.0,
        wet=float(rng.uniform(0.45, 0.9)) if sky == "rain" else 0.0,
        rain=float(rng.uniform(0.4, 1.0)) if sky == "rain" else 0.0,
        lamps=hour in ("dusk", "night"),
        noise=float(rng.uniform(1.2, 3.2) * (1.9 if hour == "night" else 1.0)),
        blur=float(rng.uniform(0.45, 0.85)),
        gains=_colour(exposure * np.array([1 + temperature, 1.0, 1 - temperature])),
        seed=int(rng.integers(1 << 30)),
    )


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
