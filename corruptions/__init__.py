"""The corruption engine: LiDAR and camera corruptions with numpy and numba, usable without torch."""
