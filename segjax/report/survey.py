"""What is in a split, in words: counts, sizes, classes, problems."""

from collections.abc import Mapping, Sequence
from typing import Any

BAR = 30
"""Characters of the longest bar."""

_SIZES = 5


def entry(source: Any, survey: Any, weights: Sequence[float] | None) -> dict[str, Any]:
    """A `data.check.Survey` as plain values, with shares.

    Args:
      source: the split.
      survey: what `data.check.examine` found in it.
      weights: a class weight each, or None where no class has a pixel.

    Shares of classes are of the labelled pixels and of the images that could be read;
    the ignored share is of all pixels.
    """
    labelled = sum(survey.class_pixels)
    read = sum(n for *_, n in survey.sizes)
    classes = [
        {
            "name": name,
            "pixels": pixels,
            "pixel_share": pixels / max(1, labelled),
            "images": images,
            "image_share": images / max(1, read),
            "median_frequency_weight": None if weights is None else weights[k],
        }
        for k, (name, pixels, images) in enumerate(
            zip(
                source.info.class_names,
                survey.class_pixels,
                survey.class_images,
                strict=True,
            )
        )
    ]
    return {
        "dataset": source.info.name,
        "source": repr(source),
        "num_examples": len(source),
        "num_read": read,
        "sizes": survey.sizes,
        "turned_by_exif": survey.turned,
        "ignored_share": survey.ignored_pixels
        / max(1, labelled + survey.ignored_pixels),
        "classes": classes,
        "never_used": [c["name"] for c in classes if not c["pixels"]],
        "problems": survey.problems,
        "fingerprint": source.fingerprint(),
    }


def text(found: Mapping[str, Any]) -> str:
    """What `entry` returned, for a person."""
    classes = found["classes"]
    lines = [found["source"], ""]
    lines += _facts(found)
    width = max(len(c["name"]) for c in classes)
    most = max(c["pixel_share"] for c in classes) or 1
    lines += [
        "",
        f"{'class':{width}}   pixels   images   weight",
        *(
            f"{c['name']:{width}}  {100 * c['pixel_share']:6.2f}%  "
            f"{100 * c['image_share']:6.1f}%  {_weight(c):>7}  "
            f"{_bar(c['pixel_share'] / most)}".rstrip()
            for c in classes
        ),
        "Shares of the labelled pixels and of the images that have the class; weight "
        "is the median frequency over the class's.",
    ]
    if found["never_used"]:
        lines += ["", f"Never used: {', '.join(found['never_used'])}."]
    problems = found["problems"]
    if problems:
        lines += ["", f"{len(problems)} problems:", *(f"  {p}" for p in problems)]
    else:
        lines += ["", "No problems."]
    return "\n".join(lines)


def _facts(found: Mapping[str, Any]) -> list[str]:
    sizes = [f"{h}x{w} ({n})" for h, w, n in found["sizes"][:_SIZES]]
    more = len(found["sizes"]) - len(sizes)
    if more:
        sizes.append(f"{more} more")
    facts = {
        "examples": f"{found['num_examples']}, {found['num_read']} of them readable",
        "sizes": ", ".join(sizes) or "none",
        "turned": f"{found['turned_by_exif']} by EXIF",
        "ignored": f"{100 * found['ignored_share']:.2f}% of the pixels",
    }
    return [f"{name:9} {value}" for name, value in facts.items()]


def _weight(entry: Mapping[str, Any]) -> str:
    weight = entry["median_frequency_weight"]
    return "-" if weight is None or not entry["pixels"] else f"{weight:.2f}"


def _bar(part: float) -> str:
    """A class that is used has a bar, be it a thin one."""
    return "█" * round(BAR * part) or ("▏" if part else "")
