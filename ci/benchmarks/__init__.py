"""The benchmarks behind `ci/bench.py`: one file each, with a function that gives rows."""
