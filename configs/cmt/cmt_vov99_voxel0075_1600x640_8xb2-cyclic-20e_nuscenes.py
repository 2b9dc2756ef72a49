# CMT with VoVNet-99; published: 70.3 mAP, 72.9 NDS on val.
_base_ = [
    "../_base_/default_runtime.py",
    "../_base_/datasets/nuscenes_cmt.py",
    "../_base_/models/cmt_v99.py",
    "../_base_/schedules/cmt_adamw_cyclic_20e.py",
]
load_from = "checkpoints/fcos3d_vovnet_imgbackbone-remapped.pth"
# without GT sampling in the last five epochs, worth about 2 mAP
custom_hooks = [dict(type="perception3d.FadeObjectsHook", after_epochs=15)]
