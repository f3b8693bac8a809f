"""Ops that change the image alone: op -> strings to try, each sure to act."""

PHOTOMETRIC = {
    "blur": ["blur(1.0, 2.0, 1)"],
    "brightness": ["brightness()"],
    "channel_shuffle": ["channel_shuffle(1)"],
    "clahe": ["clahe()", "clahe(4, tiles=2)"],
    "color_jitter": ["color_jitter()", "color_jitter(0, 0, 0, 0.5)"],
    "contrast": ["contrast()"],
    "equalize": ["equalize()"],
    "fog": ["fog(p=1)", "fog(1, 1, 1)"],
    "gamma": ["gamma()"],
    "grey": ["grey()"],
    "hue": ["hue(0.5)"],
    "jpeg": ["jpeg(p=1)"],
    "motion_blur": ["motion_blur(p=1)", "motion_blur(31, 1)"],
    "night": ["night(p=1)", "night(1, 1, 1)"],
    "noise": ["noise(p=1)"],
    "posterize": ["posterize(1, 3, 1)"],
    "rain": ["rain(p=1)", "rain(1, 1, 1)"],
    "random_grey": ["random_grey(1)"],
    "random_stretch": ["random_stretch(p=1)"],
    "salt_and_pepper": ["salt_and_pepper(p=1)"],
    "saturation": ["saturation(1)"],
    "shadow": ["shadow(p=1)", "shadow(1, 1, 1)"],
    "sharpen": ["sharpen(p=1)"],
    "snow": ["snow(p=1)", "snow(1, 1, 1)"],
    "solarize": ["solarize(p=1)"],
    "stretch": ["stretch()", "stretch(10, 90)"],
    "sun_glare": ["sun_glare(p=1)", "sun_glare(1, 1, 1)"],
}

DRAWN_PER_FRAME = ("night", "noise", "rain", "salt_and_pepper", "snow")
"""Ops whose noise or drops differ from frame to frame of a clip."""
