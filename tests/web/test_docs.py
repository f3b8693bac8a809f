"""The examples of docs/serve.md do what they say."""

import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from segjax.cli import main
from segjax.commands import serve
from segjax.web.limits import Limits
from segjax.web.refused import CODES
from tests.web.program import png

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "serve.md"
TEXT = DOCUMENT.read_text()


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", TEXT, flags=re.S)
    return found


@pytest.fixture
def folder(tmp_path, image):
    (tmp_path / "street.png").write_bytes(png(image))
    (tmp_path / "truth.png").write_bytes(png((image[..., 0] % 11).astype(np.uint8)))
    return tmp_path


def here(text: str, server) -> str:
    """An example as it is for a test: its server, its model."""
    return text.replace("http://127.0.0.1:8000", server.url).replace("roads", "tiny")


def test_the_python_example_runs(server, folder):
    code = here(block("python"), server) + "\nassert ids.shape == (40, 56)\n"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) >= 2


@pytest.mark.parametrize("number", range(3))
def test_the_curl_examples_run(server, folder, number):
    line = here(block("bash").splitlines()[number], server)
    run = subprocess.run(
        [*shlex.split(line), "--silent", "--show-error", "--fail"],
        cwd=folder,
        capture_output=True,
    )
    assert run.returncode == 0, run.stderr
    if "mask.png" in line:
        assert Image.open(folder / "mask.png").size == (56, 40)
    else:
        assert b'"shares"' in run.stdout


def test_addresses_and_options_are_those_that_there_are(client, capsys):
    paths = set(client.get("/api/openapi.json").json()["paths"])
    named = set(re.findall(r"`(?:GET|POST) (/[\w/.]+)`", TEXT))
    named |= set(re.findall(r"`GET (/\w+)`, `GET", TEXT))
    real = {p.replace("{name}", "NAME") for p in paths} | {"/api", "/api/openapi.json"}
    assert named - {"/api"} <= real
    assert {p for p in real if p.startswith("/api/")} <= named
    main(["serve", "--help"])
    words = capsys.readouterr().out
    for option in re.findall(r"`(--[\w-]+)", TEXT):
        assert option in words
    assert set(serve.LIMITS) <= set(re.findall(r"`(--[\w-]+)", TEXT))


def test_limits_are_those_that_there_are():
    limits = Limits()
    for words in (
        f"{limits.body >> 20} MB; all that are held at once {limits.bodies >> 20} MB",
        f"{limits.parts} parts, {limits.field >> 10} KB a text field",
        f"{limits.pixels / 1e6:g} megapixels, {limits.side} a side",
        f"{limits.decode_seconds} s of a processor, {2 * limits.decode_seconds} s by",
        f"{limits.queue} for a model, {limits.share} of one address",
        f"{limits.header_seconds} s, 32 KB",
        f"{limits.grace_seconds} s, and {limits.rate >> 10} KB/s",
        f"{limits.connections}, half of them of one address; {limits.idle_seconds} s",
        f"{limits.worker_seconds} s, then it is replaced",
    ):
        assert words in TEXT, words
    assert all(code.islower() for code in CODES)
