"""Measures the real system beside its ceilings: `make bench`.

Every figure is the median of several rounds with its range, from one run on stores and processes of its
own. The CPU time of an order stands beside every throughput, since that holds on a noisy machine.
"""
