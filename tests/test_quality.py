"""`benchmarks.quality` reads the right moments off its curves, and misses no faces in silence."""

import pytest

from benchmarks import quality, train

SLOW = [(10.0, 18.0, 7000.0), (20.0, 20.0, 6800.0), (30.0, 22.0, 6700.0)]
FAST = [(2.0, 21.0, 6750.0), (4.0, 23.0, 6650.0)]


def test_seconds_to_a_figure_lie_between_two_measurements():
    assert quality.seconds_to(SLOW, 1, 19.0) == 15
    assert quality.seconds_to(SLOW, 2, 6750.0) == 25  # a loss falls
    assert quality.seconds_to(FAST, 1, 20.0) == 2  # reached by the first
    assert quality.seconds_to(SLOW, 1, 24.0) is None


def test_the_table_compares_with_the_published_loop():
    found = {"published": SLOW, "+ linear start": FAST}
    rows = quality.table(quality.parse(["--variant", "v6"]), found).splitlines()
    assert rows[-1].startswith("| + linear start | 2 s | 10.0 | 3 s | 10.0 | 3 s | – | – | – | 23.00 dB")
    rows = quality.table(quality.parse(["--variant", "v1"]), found).splitlines()
    assert rows[-1].startswith("| + linear start | 3 s | 10.0 | 23.00 dB")  # to the loss that published ends with


@pytest.mark.parametrize("benchmark", [quality, train])
def test_faces_that_are_not_there_are_one_sentence(benchmark, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmark", "--data", "nowhere.parquet"])
    with pytest.raises(SystemExit, match="nowhere.parquet: no such file.*--data"):
        benchmark.main()
