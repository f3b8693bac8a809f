"""How often drift is told where there is none, and whether it is where there is some.

    python -m benchmarks.drift FILE
    python -m benchmarks.drift FILE --root DIR --split val --other PHOTOS

FILE is an exported model with statistics. Of drawn streets, images are drawn that no
run has seen; of other data those of a split are taken. From them `--draws` draws of
`--recent` are compared with what the model learnt from: the share that is told to have
drifted is the rate of false alarms. Then the same images, darkened, blurred and, with
`--other`, pictures of another kind are.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from segjax import predictable
from segjax.core import opstring
from segjax.core.keys import IMAGE
from segjax.data import datasets, decode
from segjax.data.ops import OPS
from segjax.serve import statistics
from segjax.serve.load import Model, load

CHANGES = (
    "night(p=1.0)",
    "night(0.1, 0.3, p=1.0)",
    "blur(2.0, 2.0, p=1.0)",
    "blur(0.7, 0.7, p=1.0)",
    "fog(p=1.0)",
    "grey()",
)


def features(model: Model, image: np.ndarray) -> dict[str, float]:
    """Those of one image and of the answer to it, as a server measures them."""
    example = model.example(image)
    answer = model.answer(image, probabilities=True)
    names = model.info.class_names
    return statistics.features(example[IMAGE], answer.ids, answer.probabilities, names)


def held_out(args, parts) -> list[np.ndarray]:
    """Images that the run has not seen."""
    data = parts.config.data
    if data["name"] == "streets":
        seen = data["num_val"]
        source = datasets.make("streets", "val", **{**options(data), "num_val": 700})
        return [source[i][IMAGE] for i in range(seen, 700)][: args.images]
    source = parts.source(args.split, root=args.root)
    return [source[i][IMAGE] for i in range(min(len(source), args.images))]


def options(data: dict) -> dict:
    return {k: v for k, v in data.items() if k not in ("name", "split")}


def changed(images, op) -> list[np.ndarray]:
    """The images behind an op whose draws are fixed."""
    (change,) = opstring.parse(op, OPS)
    rng = np.random.default_rng(0)
    if not hasattr(change, "random_map"):
        return [change.map({IMAGE: image})[IMAGE] for image in images]
    return [change.random_map({IMAGE: image}, rng)[IMAGE] for image in images]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--root", help="of the data")
    parser.add_argument("--split", default="val")
    parser.add_argument("--images", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--recent", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--draws", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--other", type=Path, nargs="*", default=[])
    args = parser.parse_args()
    model = load(args.file)
    parts, _, _ = predictable.parts(args.file)
    known = statistics.reference(model.statistics)
    images = held_out(args, parts)
    told = [features(model, image) for image in images]
    sizes = {len(values) for values in known.values()}
    print(f"{len(known)} features, reference of {sizes} images, {len(told)} held out")

    rng, alarms = np.random.default_rng(0), Counter()
    drifted = 0
    number = min(args.recent, len(told))
    for _ in range(args.draws):
        chosen = rng.choice(len(told), number, replace=False)
        found = statistics.verdict(known, [told[i] for i in chosen])
        drifted += found.drifted
        alarms.update(f.feature for f in found.findings if f.drifted)
    share = drifted / args.draws
    print(f"{args.draws} draws of {number}: {100 * share:.1f} % told as drift")
    for name, times in alarms.most_common(5):
        print(f"  {name}: {100 * times / args.draws:.1f} %")

    some = images[:number]
    sets = {"as they are": some} | {op: changed(some, op) for op in CHANGES}
    if args.other:
        files = [f for p in args.other for f in sorted(p.iterdir())][:number]
        sets["other pictures"] = [decode.read_image(f) for f in files]
    for name, shown in sets.items():
        found = statistics.verdict(known, [features(model, i) for i in shown])
        most = [f for f in found.findings if f.drifted][:3]
        words = "; ".join(f"{f.feature} {f.effect:.2f}" for f in most)
        print(f"{name}: {'drift' if found.drifted else 'none'} {words}")


if __name__ == "__main__":
    main()
