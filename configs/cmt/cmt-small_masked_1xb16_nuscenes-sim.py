# The CMT of minutes on a GPU with masked-modal training: a quarter of the samples lacks the LiDAR, a quarter all
# cameras, and of the others one camera in ten is lost. Missing sensors have no tokens.
_base_ = ["./cmt-small_1xb16_nuscenes-sim.py"]
mask_sensors = dict(type="perception3d.ModalMask", lidar_prob=0.25, cameras_prob=0.25, camera_prob=0.1)
train_pipeline = [*_base_.load, mask_sensors, *_base_.augment]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
find_unused_parameters = True  # several processes: a batch without a sensor leaves its branch without gradients
