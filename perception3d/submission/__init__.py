"""Leaderboard files: writers, and validators that list every fault. No torch."""
