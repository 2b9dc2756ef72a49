"""Camera corruptions on uint8 views; the only part of the engine that imports opencv."""
