# Cylinder3D in the recipe of the SemanticKITTI-C study; published clean mIoU 66.9 with 12-vote test-time augmentation.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/semantickitti.py",
    "../_base_/models/cylinder3d.py",
    "../_base_/schedules/segmentation_sgd_64e.py",
]
train_dataloader = dict(batch_size=1)
