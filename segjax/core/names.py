"""What another project calls the arrays of a network that segjax has too."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Names:
    """Rules from the names in a PyTorch state dict to the module paths of segjax.

    The last word of a name (`weight`, `bias`, `running_mean` ...) and the order of the
    axes need no rule: they follow from the module that is met.

    Attributes:
      project: whose names they are, such as `torchvision`.
      modules: (regular expression, replacement) pairs for the name without its last
        word; the first that matches all of it makes the path of our module, such as
        `(r"layer(\\d)\\.(\\d+)\\.conv(\\d)", r"stage\\1/block\\2/conv\\3/conv")`.
      drop: regular expressions of whole names that are left out on purpose.
      kinds: (regular expression of whole names, kind) for arrays whose axes do not
        follow from their rank; see `checkpoint.foreign.KINDS`.
      under: module of ours that all the paths stand under, "" for the whole model.
      new: regular expressions of our paths (`head/.*`) that get nothing from these
        arrays, and need not, such as a head that they do not have.
    """

    project: str
    modules: tuple[tuple[str, str], ...]
    drop: tuple[str, ...] = (r".*\.num_batches_tracked",)
    kinds: tuple[tuple[str, str], ...] = ()
    under: str = ""
    new: tuple[str, ...] = ()

    def module(self, name: str) -> str | None:
        """The path of our module for a module's name there; None if no rule fits."""
        for pattern, replacement in self.modules:
            if match := re.fullmatch(pattern, name):
                path = match.expand(replacement)
                return f"{self.under}/{path}" if self.under else path
        return None

    def drops(self, name: str) -> bool:
        """Whether the array `name` is left out on purpose."""
        return any(re.fullmatch(pattern, name) for pattern in self.drop)

    def kind(self, name: str) -> str:
        """The kind of the array `name`; "" where its axes follow from its rank."""
        return next((k for p, k in self.kinds if re.fullmatch(p, name)), "")

    def expects(self, path: str) -> bool:
        """Whether the parameter or statistic `a/b/kernel` should get an array."""
        inside = not self.under or path.startswith(f"{self.under}/")
        return inside and not any(re.fullmatch(pattern, path) for pattern in self.new)

    def within(self, module: str) -> "Names":
        """The same names for a network that stands under `module` of a larger one."""
        under = f"{module}/{self.under}" if self.under else module
        return dataclasses.replace(self, under=under, new=self._deeper(module))

    def nested(self, there: str, here: str) -> "Names":
        """The same names for a network that is a part of a larger one, there and here.

        Args:
          there: regular expression of what stands before each name, `backbone\\.`.
          here: module of ours that the paths stand under, without setting `under`, so
            that rules of the larger network's other parts can stand beside these.
        """

        def deeper(patterns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                p if p.startswith(".*") else f"{there}(?:{p})" for p in patterns
            )

        return dataclasses.replace(
            self,
            modules=tuple(
                (f"{there}(?:{p})", f"{here}/{path}") for p, path in self.modules
            ),
            drop=deeper(self.drop),
            new=self._deeper(here),
            kinds=tuple((deeper((p,))[0], kind) for p, kind in self.kinds),
        )

    def _deeper(self, module: str) -> tuple[str, ...]:
        return tuple(f"{re.escape(module)}/(?:{pattern})" for pattern in self.new)
