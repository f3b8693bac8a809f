import argparse

import pytest

from segjax.commands import serve


def test_what_is_missing_is_named(call, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    code, _, err = call(
        "serve", tmp_path / "a.segjax", tmp_path / "empty",
        "--watch", tmp_path / "none", "--keep-flagged", tmp_path / "file",
    )  # fmt: skip
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 4
    assert "a.segjax: no such file or folder" in lines[0]
    assert "is no folder of a run" in lines[1]
    assert "no such folder" in lines[2]
    assert "is a file" in lines[3]


@pytest.mark.parametrize(
    "words", [(), ("x.segjax", "--port", "99999"), ("x.segjax", "--queue", "0")]
)
def test_a_command_line_that_is_none_is_refused(call, words):
    code, _, err = call("serve", *words)
    assert code == 2 and err.startswith("error: segjax serve: ")


def test_limits_are_those_of_the_command_line():
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    words = "x --max-megabytes 2 --max-megapixels 3 --max-pixels 4 --queue 5"
    args = parser.parse_args([*words.split(), "--timeout", "6"])
    limits = serve._limits(args)
    assert (limits.body, limits.pixels, limits.network_pixels) == (2**21, 3_000_000, 4)
    assert (limits.queue, limits.share, limits.request_seconds) == (5, 3, 6)
    plain = serve._limits(parser.parse_args(["x"]))
    assert plain.body == 10 * 2**20 and plain.network_pixels == 4_000_000


@pytest.fixture
def run(tmp_path):
    """A folder that looks like a run with one checkpoint."""
    folder = tmp_path / "roads"
    (folder / "checkpoints" / "best").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_run_is_exported_once(run, monkeypatch):
    commands = []

    class Done:
        returncode = 0

    def export(command, **_):
        commands.append(command)
        (run / "roads.segjax").write_text("model")
        return Done

    monkeypatch.setattr(serve.subprocess, "run", export)
    assert serve._exported(run) == run / "roads.segjax"
    assert serve._exported(run) == run / "roads.segjax"
    (command,) = commands
    assert command[1:5] == ["-m", "segjax", "export", str(run)]


def test_a_run_that_cannot_be_exported_is_told(run, call):
    code, _, err = call("serve", run)
    assert code == 2
    assert "cannot be exported" in err
