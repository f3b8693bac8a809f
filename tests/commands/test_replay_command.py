"""The command `segjax replay`: its exit codes, its table, its document."""

import pytest

from segjax import replay
from segjax.replay import Difference, Unequal, Verdict

MOVED = Difference("config.data.root", "/a", "/b", inert=True)
JAXLIB = Difference("versions.jaxlib", "0.1.0", "0.2.0")


def verdict(first=None, differences=(), states=(0, 4)):
    return Verdict("ab12", 0, 4, first, 3, states, 2, differences, ("cpu",))


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        (verdict(), 0, "equal bits for 4 steps"),
        (verdict(states=()), 0, "equal lines of the log for 4 steps"),
        (verdict(differences=(MOVED,)), 0, "(config.data.root)  /a    /b"),
        (
            verdict(Unequal(3, "loss", 1.234, 1.235), (JAXLIB, MOVED)),
            1,
            "first difference at step 3: loss 1.234 against 1.235; what differs: "
            "versions.jaxlib",
        ),
    ],
)
def test_the_verdict_is_said(call, monkeypatch, found, code, said):
    asked = {}

    def again(run, **options):
        asked.update(options)
        return found

    monkeypatch.setattr(replay, "again", again)
    got, out, _ = call("replay", "runs/demo", "--steps", 4, "--from", 0)
    assert got == code
    assert said in out
    assert "2 first batches, 3 lines of the log" in out
    assert "not recorded on one side: cpu" in out
    assert (asked["steps"], asked["start"]) == (4, 0)
    got, document, _ = call("replay", "runs/demo", "--json")
    assert got == document["exit_code"] == code
    assert document["equal"] == (code == 0)
    assert document["run_id"] == "ab12"
    assert len(document["differences"]) == len(found.differences)


@pytest.mark.parametrize(
    ("differences", "code", "said"),
    [
        ((), 0, "nothing that can move a number differs"),
        ((MOVED,), 0, "nothing that can move a number differs"),
        ((JAXLIB,), 1, "what differs: versions.jaxlib"),
    ],
)
def test_the_environment_alone(call, monkeypatch, differences, code, said):
    found = verdict(differences=differences)
    monkeypatch.setattr(replay, "surroundings", lambda *_, **__: found)
    got, out, _ = call("replay", "runs/demo", "--env")
    assert (got, said in out) == (code, True)
    assert "compared:" not in out


@pytest.mark.parametrize("words", [["--steps", "0"], ["--from", "-1"], []])
def test_misuse_ends_with_2(call, tmp_path, words):
    code, _, err = call("replay", tmp_path, *words)
    assert code == 2
    assert err.startswith("error: ")
