"""What an attack came to."""

import dataclasses


@dataclasses.dataclass
class Found:
    """An attack and its outcome.

    Attributes:
      attack: its letter and number.
      what: in a few words.
      goal: what is to hold.
      figures: what was measured.
      failures: what did not hold; none if all did.
    """

    attack: str
    what: str
    goal: str
    figures: dict = dataclasses.field(default_factory=dict)
    failures: list[str] = dataclasses.field(default_factory=list)

    def hold(self, condition, failure) -> None:
        """Note a failure unless a condition holds."""
        if not condition:
            self.failures.append(failure)

    def __str__(self) -> str:
        """Lines for a person."""
        numbers = ", ".join(f"{k} {_short(v)}" for k, v in self.figures.items())
        state = "holds" if not self.failures else "FAILS"
        lines = [
            f"{self.attack:4} {state}  {self.what} ({self.goal})",
            f"     {numbers}",
        ]
        return "\n".join([*lines, *(f"      - {f}" for f in self.failures[:8])])


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)
