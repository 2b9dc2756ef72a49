# The small CMT with masked-modal training: of the samples 15 % lack the LiDAR, 35 % all cameras, and each camera of the
# others is lost with a chance of 10 %. Missing sensors have no tokens. Published are 25 % and 25 %; in this little time
# every sample without LiDAR costs more than it brings.
_base_ = ["./cmt-tiny_1xb2_nuscenes-sim.py"]
mask_sensors = dict(type="perception3d.ModalMask", lidar_prob=0.15, cameras_prob=0.35, camera_prob=0.1)
train_pipeline = [*_base_.load, mask_sensors, *_base_.augment]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
find_unused_parameters = True  # several processes: a batch without a sensor leaves its branch without gradients
