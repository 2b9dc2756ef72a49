# CMT for a CPU: 0.4 m voxels, a BEV map of 64 x 64, three stages of half a ResNet-18 on images of 352 x 128, two
# decoder layers; 2.3 M parameters, 4.6 MB in half precision.
# Queries start with the features at their reference points, because learning where to look takes the published model
# tens of thousands of steps.
point_cloud_range = [-51.2, -51.2, -5.0, 51.2, 51.2, 3.0]
model = dict(
    type="perception3d.CMTDetector",
    data_preprocessor=dict(
        type="Det3DDataPreprocessor",
        voxel=True,
        voxel_layer=dict(
            max_num_points=10,
            voxel_size=[0.4, 0.4, 0.4],
            max_voxels=(20000, 20000),
            point_cloud_range=point_cloud_range,
        ),
        mean=[103.530, 116.280, 123.675],
        std=[57.375, 57.120, 58.395],
        bgr_to_rgb=False,
        pad_size_divisor=32,
    ),
    img_backbone=dict(
        type="mmdet.ResNet",
        depth=18,
        base_channels=32,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        norm_cfg=dict(type="BN2d", requires_grad=True),
        norm_eval=False,  # nothing is pretrained
        style="pytorch",
    ),
    img_neck=dict(type="perception3d.CPFPN", in_channels=[128], out_channels=96),
    pts_voxel_encoder=dict(type="HardSimpleVFE", num_features=5),
    pts_middle_encoder=dict(
        type="SparseEncoder",
        in_channels=5,
        sparse_shape=[21, 256, 256],
        output_channels=64,
        order=("conv", "norm", "act"),
        encoder_channels=((16, 32), (32, 64), (64,)),
        encoder_paddings=((0, 1), (0, [0, 1, 1]), (0,)),
        block_type="basicblock",
        # the usual 0.01 leaves the running averages behind weights that move as fast as here
        norm_cfg=dict(type="BN1d", eps=1e-3, momentum=0.1),
    ),
    pts_backbone=dict(
        type="SECOND",
        in_channels=128,
        out_channels=[64, 96],
        layer_nums=[3, 3],
        layer_strides=[1, 2],
        norm_cfg=dict(type="BN", eps=1e-3, momentum=0.1),
        conv_cfg=dict(type="Conv2d", bias=False),
    ),
    pts_neck=dict(
        type="SECONDFPN",
        in_channels=[64, 96],
        out_channels=[64, 64],
        upsample_strides=[1, 2],
        norm_cfg=dict(type="BN", eps=1e-3, momentum=0.1),
        upsample_cfg=dict(type="deconv", bias=False),
        use_conv_for_no_stride=True,
    ),
    pts_bbox_head=dict(
        type="perception3d.CMTHead",
        point_cloud_range=point_cloud_range,
        lidar_channels=128,
        embed_dims=96,
        num_queries=900,
        num_classes=10,
        num_layers=2,
        num_heads=4,
        hidden_dims=192,
        denoising=dict(max_groups=5),
        dropout=0.0,
        kernel_size=1,
        class_prior=0.01,
        sampled_content=True,
        box_coder=dict(
            type="perception3d.CMTBoxCoder",
            post_center_range=[-61.2, -61.2, -10.0, 61.2, 61.2, 10.0],
            max_num=300,
        ),
    ),
)
