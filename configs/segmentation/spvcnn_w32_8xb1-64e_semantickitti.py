# SPVCNN in the recipe of the SemanticKITTI-C study; published clean mIoU 67.4 with 12-vote test-time augmentation.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/semantickitti.py",
    "../_base_/models/spvcnn.py",
    "../_base_/schedules/segmentation_sgd_64e.py",
    "../_base_/augmentations/study.py",
    "../_base_/class_weights_semantickitti.py",
]
model = dict(loss_ce=dict(class_weight=_base_.study_class_weight))
train_dataloader = dict(
    batch_size=1, dataset=dict(pipeline=[*_base_.load_pipeline, *_base_.study_augmentations, _base_.pack])
)
