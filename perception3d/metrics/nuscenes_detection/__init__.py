"""The nuScenes detection metrics (Caesar et al., CVPR 2020, section 3.1) as functions over arrays."""
