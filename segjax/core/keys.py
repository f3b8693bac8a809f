"""Names of the keys of an example and of a batch, and the id of ignored pixels.

An example (one image, numpy) and a batch (stacked along `B`) are plain dicts:

==========  =========================  =======================================
key         shape and dtype            meaning
==========  =========================  =======================================
`image`     `(H, W, C)` uint8, uint16  RGB, or what the data set's `Pixels` say;
            or float32                 `(T, H, W, C)` for a clip
`label`     `(H, W)` uint8             class ids `0 .. K-1`, or `IGNORE`;
                                       of a clip, the label of its last frame, or
                                       `(T, H, W)`, one a frame, all `IGNORE` where a
                                       frame has none
`index`     `()` int64 (int32 in jax)  position of the example in its source
`original`  as `image`                 the image before the evaluation ops, of the
                                       label's size; on the host alone
==========  =========================  =======================================
"""

IMAGE = "image"
LABEL = "label"
INDEX = "index"
ORIGINAL = "original"

IGNORE = 255
"""The one label id that no loss, gradient or metric counts, whatever the data set.

Each data set maps its own void ids to it while decoding.
"""

MAX_CLASSES = 255
"""Class ids are uint8 and 255 is `IGNORE`."""
