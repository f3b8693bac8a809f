"""One run of images and one of clips, exported once for all tests."""

import pytest

from segjax.serve.load import load
from tests.serve import runs


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("images"), runs.IMAGES)


@pytest.fixture(scope="session")
def exported(run_folder):
    """The file of the run of images, with data."""
    return runs.exported(run_folder, "--licence", "CC0-1.0")


@pytest.fixture(scope="session")
def model(exported):
    return load(exported)


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("clips"), runs.CLIPS)


@pytest.fixture(scope="session")
def clips(clips_folder):
    """The model of the run of clips, without data."""
    words = "--without-data", "--without-code", "--sizes", "24x32,48x48"
    return load(runs.exported(clips_folder, *words))


@pytest.fixture(scope="session")
def plain(run_folder):
    """The smallest file: one program, no data, no code."""
    words = "--without-data", "--without-code", "--sizes", "24x32", "--platforms", "cpu"
    return runs.exported(run_folder, *words, name="plain.segjax")
