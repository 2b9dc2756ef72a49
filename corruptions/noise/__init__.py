"""Measurement noise: one model per file."""
