"""Pictures of frames without a display: from above, through the cameras, as range image. No torch."""
