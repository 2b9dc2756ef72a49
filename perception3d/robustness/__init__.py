"""Robustness sweeps: plan a suite, run its settings, keep one row each, and show them as tables and pictures."""
