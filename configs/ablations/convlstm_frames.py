"""Does a ConvLSTM gain from two earlier frames, and from their order?

Source:   Shukla 2023, section 4.2 (ConvLSTM-U-Net); no data needed.
Command:  python launch.py --config=configs/ablations/convlstm_frames.py --sweep
          `still` sees the last frame alone; `shuffled` sees the earlier ones in a
          wrong order, in training and in evaluation, the same for a clip every time.
Answer:   not measured.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_convlstm.py").get_config()
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    shuffle = "shuffle_past() | normalize()"
    train = "crop(96, 128) | flip_lr() | color_jitter(0.2, 0.2, 0.2)"
    return sweep.product(
        sweep.seeds(3),
        sweep.arms(
            {
                "ordered": {},
                "still": {"data.frames": 1},
                "shuffled": {
                    "input.train_ops": f"{train} | {shuffle}",
                    "input.eval_ops": shuffle,
                },
            }
        ),
    )
