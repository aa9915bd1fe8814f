"""Benchmarks: bench_*.py time our own layers, peers/ runs other implementations side by side."""
