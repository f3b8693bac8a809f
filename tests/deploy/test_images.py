"""The container files name what exists, and keep to the rules of docs/deploy.md."""

import argparse
import json
import pathlib
import re

import pytest
import yaml

from segjax.commands import serve

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "deploy").glob("*.Dockerfile"))
A_VERSION = r"^[^:$]+:[^:$]*\d[^:$]*$"


def instructions(path: pathlib.Path) -> list[tuple[str, str]]:
    """(word, rest) of each, in order."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [line.strip().partition(" ")[::2] for line in lines if line.strip()]


def values(path: pathlib.Path, word: str) -> list[str]:
    return [rest for name, rest in instructions(path) if name == word]


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def dockerfile(request):
    return request.param


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]


def test_there_are_two():
    assert [p.name for p in DOCKERFILES] == ["serve.Dockerfile", "train.Dockerfile"]


def test_what_is_copied_exists_and_is_not_ignored(dockerfile):
    ignored = (ROOT / ".dockerignore").read_text().split()
    for rest in values(dockerfile, "COPY"):
        if rest.startswith("--from="):
            continue
        *names, _ = rest.split()
        assert names
        assert not [n for n in names if not (ROOT / n).exists()]
        assert not set(names) & set(ignored)


def test_steps_install_files_that_were_copied_before(dockerfile):
    copied = set()
    for word, rest in instructions(dockerfile):
        if word == "COPY":
            copied |= set(rest.split()[:-1])
        needed = set(re.findall(r"-[rc] (\S+)", rest)) if word == "RUN" else set()
        assert needed <= copied
        for name in needed:
            text = (ROOT / name).read_text()
            assert set(re.findall(r"^-r (\S+)", text, flags=re.M)) <= copied
    assert "constraints.txt" in copied


def test_the_base_is_pinned(dockerfile):
    images = {rest.split()[0] for rest in values(dockerfile, "FROM")}
    assert len(images) == 1
    (image,) = images
    assert re.match(A_VERSION, image), f"{image}: has no version"


def test_it_does_not_end_as_root(dockerfile):
    words = [name for name, _ in instructions(dockerfile)]
    user = values(dockerfile, "USER")[-1]
    assert user.isdecimal()  # or no orchestrator can tell that it is not root
    assert int(user) >= 10000
    assert "RUN" not in words[len(words) - words[::-1].index("USER") :]


def test_words_are_lists_so_that_signals_arrive(dockerfile):
    for word in ("ENTRYPOINT", "CMD"):
        for rest in values(dockerfile, word):
            assert isinstance(json.loads(rest), list), word


def test_the_server_tells_its_health_where_it_listens():
    path = ROOT / "deploy/serve.Dockerfile"
    (health,) = values(path, "HEALTHCHECK")
    (port,) = values(path, "EXPOSE")
    assert f"http://127.0.0.1:{port}/healthz" in health
    (entry,) = values(path, "ENTRYPOINT")
    program, command, *words = json.loads(entry)
    assert (program, command) == ("segjax", "serve")
    parser = serve_parser()
    args = parser.parse_args(words)
    assert args.port == int(port)
    assert (args.host, str(args.watch)) == ("0.0.0.0", "/models")
    assert "127.0.0.1" in args.allow_host
    more = parser.parse_args([*words, "--allow-host", "seg.example.org"])
    assert more.allow_host == [*args.allow_host, "seg.example.org"]


def serve_parser():
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser


def test_compose_builds_what_exists(services):
    folder = ROOT / "deploy"
    assert set(services) == {"page", "train"}
    for service in services.values():
        context = (folder / service["build"]["context"]).resolve()
        assert context == ROOT
        assert context / service["build"]["dockerfile"] in DOCKERFILES


def test_compose_gives_the_page_little(services):
    page = services["page"]
    (port,) = values(ROOT / "deploy/serve.Dockerfile", "EXPOSE")
    assert page["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert page["read_only"]
    assert page["tmpfs"] == ["/tmp"]
    assert page["cap_drop"] == ["ALL"]
    assert page["security_opt"] == ["no-new-privileges:true"]
    assert all(volume["read_only"] for volume in page["volumes"])
    serve_parser().parse_args(page["command"])


def test_what_compose_mounts_by_itself_lies_in_the_repository(services):
    """A relative source is one of deploy/, where the file lies."""
    for service in services.values():
        for volume in service["volumes"]:
            default = re.fullmatch(r"\$\{[A-Z]+:-(.+)\}", volume["source"])[1]
            assert (ROOT / "deploy" / default).resolve().parent == ROOT
            assert pathlib.Path(default).name in (ROOT / ".dockerignore").read_text()
