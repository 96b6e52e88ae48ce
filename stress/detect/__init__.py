"""Detectors: what is wrong with an execution, though nothing may have gone wrong in it.

They read the steps of one execution, know no engine, and are told no invariant.
"""
