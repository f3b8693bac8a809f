"""How quickly images are scored."""

import time


class Pace:
    """Images a second after the first, which compiles; a `progress` of `split.run`."""

    def __init__(self):
        self.first, self.last, self.done = 0.0, 0.0, 0

    def __call__(self, done: int, total: int) -> None:
        self.last, self.done = time.monotonic(), done
        if done == 1:
            self.first = self.last

    @property
    def images_per_s(self) -> float | None:
        """None where there were not two images."""
        return (self.done - 1) / (self.last - self.first) if self.done > 1 else None
