"""Fuzz targets: functions from octets to None that raise when a property does not hold.

They run in two ways: under coverage-guided mutation with sanitizers (scripts/fuzz.sh), and over the
seeds with a few thousand random mutations in the ordinary test run (test_fuzz_smoke.py).
"""
