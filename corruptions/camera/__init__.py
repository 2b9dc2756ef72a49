"""Camera corruptions on uint8 views; the only part of the engine that imports opencv."""

from corruptions.camera.catalog import VIEW_CORRUPTIONS, corrupt_views, get
from corruptions.camera.views import ViewCorruption, Views

__all__ = ["VIEW_CORRUPTIONS", "ViewCorruption", "Views", "corrupt_views", "get"]
