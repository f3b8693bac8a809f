"""Points as jobs of a cluster, which is this machine here."""

import threading
import time

import pytest
import submitit

from segjax.core.errors import EnvironmentFault
from segjax.study import claim, folder, submit


def test_jobs_run_the_points_that_are_not_over(study):
    made = study(2)
    for index in range(2):
        assert submit.Task(str(made.folder), index)() == "finished"
    assert [folder.standing(made, p).state for p in made.points] == ["finished"] * 2
    assert submit.run(made, ["minutes=5"], jobs=2, cluster="local") == []


def test_an_array_is_submitted_whole(study, monkeypatch):
    made = study(3)
    seen = {}

    class Executor(submitit.AutoExecutor):
        def update_parameters(self, **parameters):
            seen.update(parameters)
            super().update_parameters(**parameters)

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    options = ["minutes=5", "partition=gpu", "cpus=1"]
    numbers = submit.run(made, options, jobs=2, cluster="debug")
    assert len(numbers) == 3
    assert seen["timeout_min"] == 5 and seen["slurm_partition"] == "gpu"
    assert seen["slurm_array_parallelism"] == 2 and seen["cpus_per_task"] == 1


def test_a_job_fails_with_its_point_and_tries_trouble_again(study):
    made = study(2, {0: [[1, 0]], 1: [[75, 0]]})
    with pytest.raises(EnvironmentFault, match=r"ended with 1. See .*log.txt"):
        submit.Task(str(made.folder), 0)()
    assert submit.Task(str(made.folder), 1)() == "finished"


def test_a_point_that_runs_elsewhere_is_left_alone(study):
    made = study(1, {0: [[0, 0]]})
    place = made.place(made.points[0])
    with claim.hold(place):
        assert submit.Task(str(made.folder), 0)() == "failed"


def test_a_job_whose_time_is_over_stops_its_point_and_is_queued_again(study):
    made = study(1, {0: [[0, 60]]})
    task = submit.Task(str(made.folder), 0)
    errors = []

    def work():
        try:
            task()
        except EnvironmentFault as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    place = made.place(made.points[0])
    while not (place / "record.json").exists():
        time.sleep(0.05)
    again = task.checkpoint()
    thread.join()
    assert not claim.is_held(place) and errors
    assert again.function() == "finished"  # the fake sleeps at its first start alone
