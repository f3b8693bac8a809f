"""A study whose points are runs that were never trained, but written as by a run."""

import json
import sys

import pytest

from segjax.study import folder, local, points, single, sweep

FAKE = """
import json, os, pathlib, signal, sys, time
from segjax.core.errors import EnvironmentFault
from segjax.report import files, record
from segjax.study import claim, folder

study = folder.read(pathlib.Path(sys.argv[1]))
point = study.points[int(sys.argv[2])]
place = study.place(point)
starts = place / "starts"
try:
    with claim.hold(place):
        if folder.ended(place) in folder.OVER:
            sys.exit(0)
        starts.open("a").write("x")
        number = len(starts.read_text()) - 1
        todo = json.loads(pathlib.Path(sys.argv[3]).read_text())
        code, seconds = (*todo.get(str(point.index), []), [0, 0])[number:][0]
        attempts = record.read(place).get("attempts", [])
        steps = ["{\\\\"step\\\\": 3, \\\\"kind\\\\": \\\\"train\\\\"}"]
        (place / "metrics.jsonl").write_text("\\\\n".join(steps) + "\\\\n")
        entry = {"splits": {"val": {"num_images": 2, "fingerprint": "f"}}}
        devices = os.environ.get("CUDA_VISIBLE_DEVICES")
        new = {"start": "", "by": os.getppid(), "devices": devices}
        written = {"dataset": entry, "attempts": [*attempts, new]}
        files.write_json(place / record.CONFIG, study.base)
        files.write_json(place / record.RECORD, written)
        print("said by", point, flush=True)
        time.sleep(seconds)
        if code == 1:
            sys.exit("a bug")
        new |= {"exit_code": code, "reason": "done", "wall_seconds": 60.0}
        files.write_json(place / record.RECORD, written)
        scores = {"summary": {"miou": 0.5 + 0.01 * point.index}}
        files.write_json(place / "evaluation" / "val.json", scores)
        sys.exit(code)
except EnvironmentFault as error:
    sys.exit(75)
""".replace("\\\\", "\\")


@pytest.fixture
def study(tmp_path, settings, monkeypatch):
    """`make(count, todo)`: a written study; `todo` is point -> [(code, seconds), ...].

    Each start of a point takes the next entry; without one it finishes at once.
    """
    monkeypatch.setattr(local, "POLL_S", 0.05)

    def make(count=2, todo=None, seeds=1, arm=None) -> folder.Study:
        base, arm = settings(), arm or (lambda i: {"model.width": 2 + i})
        arms = sweep.arms({f"a{i}": arm(i) for i in range(count)})
        made = points.make(sweep.product(sweep.seeds(seeds), arms), base)
        place = tmp_path / "study"
        found = folder.Study(place, "drawn", "Which?", "c.py", base, made)
        folder.write(found)
        (tmp_path / "fake.py").write_text(FAKE)
        (tmp_path / "todo.json").write_text(json.dumps(todo or {}))
        return folder.read(place)

    def command(place, index):
        files = [str(tmp_path / "fake.py"), str(place), str(index)]
        return [sys.executable, *files, str(tmp_path / "todo.json")]

    monkeypatch.setattr(single, "command", command)
    return make
