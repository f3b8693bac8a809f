"""`segjax doctor`: every line has a status; a device that does not run ends with 75."""

import jax
import pytest

from segjax.commands import doctor


def by_name(document):
    found = {}
    for finding in document["findings"]:
        found.setdefault(finding["name"], []).append(finding)
    return found


def test_every_check_speaks(call):
    code, document, err = call("doctor", "--json")
    found = by_name(document)
    assert code == document["exit_code"] == 0
    assert set(found) == set(doctor.CHECKS)
    assert all(
        f["status"] in ("OK", "WARN", "FAIL") for fs in found.values() for f in fs
    )
    assert "8 x cpu" in found["device"][0]["value"]
    assert "XLA: 8 cpu devices" in found["device"][1]["value"]
    assert "Adam's update is computed by XLA: 8 cpu" in found["device"][2]["value"]
    assert "256x256 matmul" in found["device"][3]["value"]
    for findings in found.values():
        for finding in findings:
            assert finding["value"] in err
            assert bool(finding["advice"]) == (finding["status"] != "OK")


def test_a_device_that_does_not_run(call, monkeypatch):
    def broken():
        raise RuntimeError("no driver\nmore")

    monkeypatch.setattr(jax, "devices", broken)
    code, document, err = call("doctor", "--json")
    assert code == document["exit_code"] == 75
    (finding,) = by_name(document)["device"]
    assert finding["status"] == "FAIL" and "no driver" in finding["value"]
    assert "JAX_PLATFORMS" in err


@pytest.mark.parametrize(
    ("name", "floor"),
    [("memory", "MIN_MEMORY"), ("/dev/shm", "MIN_SHM"), ("disk", "MIN_DISK")],
)
def test_too_little_is_a_warning(name, floor, monkeypatch):
    check = doctor.CHECKS[name]
    (before,) = check()
    monkeypatch.setattr(doctor, floor, 2**60)
    (after,) = check()
    if "system" in before.value:
        pytest.skip(f"{name} is {before.value}")
    assert after.status == "WARN" and after.advice


def test_versions_other_than_pinned(monkeypatch):
    monkeypatch.setattr(doctor, "_pins", lambda: {"jax": "0.0.1", "nowhere-pkg": "1"})
    (finding,) = doctor._packages()
    assert finding.status == "WARN" and "0 of 2 as pinned" in finding.value
    assert "(pinned 0.0.1)" in finding.value and "nowhere-pkg absent" in finding.value


def test_pins_are_found():
    assert "jax" in doctor._pins()


def test_a_cluster_that_is_set_up_by_half_is_a_warning(monkeypatch):
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setenv("NUM_PROCESSES", "2")
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    monkeypatch.delenv("JOBSET_NAME", raising=False)
    (finding,) = doctor._guarded("cluster", doctor._cluster)
    assert finding.status == "WARN" and "JAX_COORDINATOR_ADDRESS" in finding.value


def test_settings_are_shown(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--some_flag=1")
    (finding,) = doctor._settings()
    assert "XLA_FLAGS='--some_flag=1'" in finding.value
