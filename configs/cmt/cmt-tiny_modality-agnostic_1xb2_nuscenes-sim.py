# The small CMT whose shared decoder also learns from each sensor alone in every step.
_base_ = ["./cmt-tiny_1xb2_nuscenes-sim.py"]
model = dict(pts_bbox_head=dict(modality_agnostic=True))
