# CMT-C, cameras only, VoVNet-99, images of 1600 x 640; 78,156,100 parameters. Published: 40.6 mAP, 46.0 NDS.
point_cloud_range = [-54.0, -54.0, -5.0, 54.0, 54.0, 3.0]
model = dict(
    type="perception3d.CMTDetector",
    data_preprocessor=dict(
        type="Det3DDataPreprocessor",
        mean=[103.530, 116.280, 123.675],
        std=[57.375, 57.120, 58.395],
        bgr_to_rgb=False,
        pad_size_divisor=32,
    ),
    img_backbone=dict(type="perception3d.VoVNet", arch="V-99-eSE", out_stages=(4, 5), norm_eval=True),
    img_neck=dict(type="perception3d.CPFPN", in_channels=[768, 1024], out_channels=256),
    pts_bbox_head=dict(
        type="perception3d.CMTHead",
        point_cloud_range=point_cloud_range,
        sensors=("camera",),
        embed_dims=256,
        num_queries=900,
        num_classes=10,
        num_layers=6,
        num_heads=8,
        hidden_dims=1024,
        dropout=0.1,
        kernel_size=1,
        box_coder=dict(
            type="perception3d.CMTBoxCoder",
            post_center_range=[-61.2, -61.2, -10.0, 61.2, 61.2, 10.0],
            max_num=300,
        ),
    ),
)
