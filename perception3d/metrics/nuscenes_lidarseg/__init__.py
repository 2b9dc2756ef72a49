"""nuScenes-lidarseg scores, equal to nuscenes-devkit's, with breakdowns and intervals over scenes."""
