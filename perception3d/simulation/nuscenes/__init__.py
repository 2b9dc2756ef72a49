"""Simulated scenes in the nuScenes format, version 1.0 of its tables."""
