"""Adverse weather: one physical model per file."""
