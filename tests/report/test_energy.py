"""Energy from sensors that are files and a program of the test's own."""

import time

import pytest

from segjax.report import energy


@pytest.fixture
def sensors(tmp_path, monkeypatch):
    """`zone(name, microjoules, most)` and `smi(lines)` make what tells; none before."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")
    monkeypatch.setattr(energy, "EVERY_S", 0.02)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    (tmp_path / "bin").mkdir()

    class Sensors:
        def zone(self, folder, name, microjoules, most=10_000_000):
            place = tmp_path / "powercap" / folder
            place.mkdir(parents=True, exist_ok=True)
            (place / "name").write_text(f"{name}\n")
            (place / "max_energy_range_uj").write_text(f"{most}\n")
            (place / "energy_uj").write_text(f"{microjoules}\n")
            return place / "energy_uj"

        def smi(self, lines):
            script = tmp_path / "bin" / "nvidia-smi"
            words = [f"echo {line}" for line in lines]
            script.write_text("\n".join(["#!/bin/sh", *words, ""]))
            script.chmod(0o755)

    return Sensors()


def test_a_machine_without_sensors_says_so(sensors):
    with energy.Meter() as meter:
        assert meter.read() == energy.Reading(
            None, "not known: this machine tells none"
        )
        assert meter.read(gpus=True).of == "not known: the GPUs tell none"


def test_packages_and_memory_are_added_and_nothing_twice(sensors):
    package = sensors.zone("intel-rapl:0", "package-0", 1_000_000)
    memory = sensors.zone("intel-rapl:0:1", "dram", 0)
    cores = sensors.zone("intel-rapl:0:0", "core", 0)
    machine = sensors.zone("intel-rapl:1", "psys", 0)
    sensors.zone("intel-rapl-mmio:0", "package-0", 0)
    with energy.Meter() as meter:
        package.write_text("4500000")
        memory.write_text("250000")
        cores.write_text("3000000")
        machine.write_text("9000000")
        found = meter.read()
        several = meter.facts(processes=2)
    assert found == energy.Reading(3.75, "CPU and memory by RAPL")
    assert several["joules"] is None and "several processes" in several["of"]


def test_a_counter_that_runs_over_goes_on(sensors):
    package = sensors.zone("intel-rapl:0", "package-0", 9_000_000)
    with energy.Meter() as meter:
        package.write_text("1000000")
        end = time.monotonic() + 10
        while meter._last[package] != 1_000_000 and time.monotonic() < end:
            time.sleep(0.01)  # the thread looks
        package.write_text("500000")
        assert meter.read().joules == pytest.approx(2 + 9.5)


def test_a_counter_that_may_not_be_read_is_no_sensor(sensors):
    path = sensors.zone("intel-rapl:0", "package-0", 0)
    path.unlink()
    path.mkdir()  # as root may read any file
    with energy.Meter() as meter:
        assert meter.read().joules is None


def test_the_power_of_gpus_is_added_up_over_time(sensors):
    sensors.smi(["100.0", "50.0"])
    begin = time.monotonic()
    with energy.Meter() as meter:
        time.sleep(0.1)
        found = meter.read(gpus=True)
        most = 150 * (time.monotonic() - begin)
        assert meter.read().joules is None  # of the CPU alone
    assert 150 * 0.1 <= found.joules <= most
    assert found.of == "2 GPUs by nvidia-smi, without the CPU"


def test_only_the_listed_gpus_are_asked(sensors, monkeypatch):
    sensors.smi(["[N/A]"])
    with energy.Meter() as meter:
        assert meter.read(gpus=True).joules is None
    asked = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")

    def ask(words, **_):
        asked.append(words)

    monkeypatch.setattr(energy.subprocess, "run", ask)
    with pytest.raises(AttributeError):  # of the answer, None
        energy.Meter()
    assert asked[0][-1] == "--id=2,3"
