import re
from collections import OrderedDict

import pytest
import torch
from cmt_world import ROOT, batch, build, cloud, pictures, sample, tiny_model
from mmdet3d.registry import MODELS
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.config import Config

from corruptions.core import InputError

MODEL_CONFIGS = ROOT / "configs/_base_/models"
PUBLISHED_GRID = "../../cmt/cmt_r50_voxel0100-published-grid_800x320_8xb4-cyclic-20e_nuscenes"
ABSENT = [False, False, False]
LOSSES = ("loss_cls", "loss_bbox", "dn_loss_cls", "dn_loss_bbox")


@pytest.fixture(scope="module")
def model():
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet3d")
    return build(tiny_model()).eval()


def outputs(model, points, images, samples):
    data = model.data_preprocessor(batch(points, images, samples), training=False)
    with torch.no_grad():
        return model(data["inputs"], data["data_samples"], mode="tensor")


def losses(model, points, images, samples):
    data = model.data_preprocessor(batch(points, images, samples), training=True)
    return model(data["inputs"], data["data_samples"], mode="loss")


def assert_same(found, expected, rows=slice(None)):
    torch.testing.assert_close(found.logits[:, rows], expected.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.code[:, rows], expected.code, rtol=1e-4, atol=1e-4)


def _with_metadata(weights, model):
    state = OrderedDict(weights)
    state._metadata = model.state_dict()._metadata
    return state


@pytest.mark.parametrize(
    ("name", "entries", "parameters"),
    [
        ("cmt_v99", 997, 86_607_380),
        ("cmt_lidar", 361, 16_769_492),
        ("cmt_r50", 689, 40_919_572),
        (PUBLISHED_GRID, 689, 40_919_572),
        ("cmt_camera", 781, 78_156_100),
    ],
)
def test_configs_have_the_published_entries_and_parameters(name, entries, parameters):
    detector = MODELS.build(Config.fromfile(MODEL_CONFIGS / f"{name}.py").model)
    assert len(detector.state_dict()) == entries
    assert sum(p.numel() for p in detector.parameters() if p.requires_grad) == parameters


def test_lidar_branch_has_the_published_names_and_layout():
    """Names of the other parts are those of the known answers."""
    norm = "(weight|bias|running_mean|running_var|num_batches_tracked)"
    patterns = (
        rf"pts_middle_encoder\.conv_(input|out)\.(0\.weight|1\.{norm})",
        rf"pts_middle_encoder\.encoder_layers\.encoder_layer[1-4]\.[01]\.(conv[12]\.weight|bn[12]\.{norm})",
        rf"pts_middle_encoder\.encoder_layers\.encoder_layer[1-3]\.2\.(0\.weight|1\.{norm})",
        rf"pts_backbone\.blocks\.[01]\.((0|3|6|9|12|15)\.weight|(1|4|7|10|13|16)\.{norm})",
        rf"pts_neck\.deblocks\.[01]\.(0\.weight|1\.{norm})",
    )
    state = MODELS.build(Config.fromfile(MODEL_CONFIGS / "cmt_lidar.py").model).state_dict()
    names = [name for name in state if name.startswith("pts_") and not name.startswith("pts_bbox_head.")]
    assert [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []
    counts = [sum(name.startswith(part) for name in names) for part in ("pts_middle", "pts_backbone", "pts_neck")]
    assert counts == [126, 72, 12]
    shapes = {
        "pts_middle_encoder.conv_input.0.weight": (16, 3, 3, 3, 5),
        "pts_middle_encoder.encoder_layers.encoder_layer3.2.0.weight": (128, 3, 3, 3, 64),
        "pts_middle_encoder.conv_out.0.weight": (128, 3, 1, 1, 128),
        "pts_backbone.blocks.0.0.weight": (128, 256, 3, 3),
        "pts_backbone.blocks.1.0.weight": (256, 128, 3, 3),
        "pts_neck.deblocks.0.0.weight": (256, 128, 1, 1),
        "pts_neck.deblocks.1.0.weight": (256, 256, 2, 2),
        "pts_bbox_head.task_heads.0.center.0.weight": (384, 256, 3),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_predictions_are_mmdet3d_boxes(model):
    data = model.data_preprocessor(batch([cloud(400, 0)], [pictures(0)], [sample()]), training=False)
    with torch.no_grad():
        (found,) = model(data["inputs"], data["data_samples"], mode="predict")
    instances = found.pred_instances_3d
    assert len(instances.scores_3d) == 30 and instances.bboxes_3d.tensor.shape == (30, 9)
    assert instances.scores_3d.diff().max() <= 0
    (detections,) = model.pts_bbox_head.predict(model.extract_feat(data["inputs"], data["data_samples"]))
    torch.testing.assert_close(instances.bboxes_3d.gravity_center, detections.boxes[:, :3])


@pytest.mark.parametrize(("points", "images"), [(0, True), (400, False)], ids=["no LiDAR", "no cameras"])
def test_a_missing_sensor_equals_a_model_without_it(model, points, images):
    """The same weights in a model that has no such branch at all."""
    alone = build(tiny_model(("camera",) if images else ("lidar",))).eval()
    weights = {key: value for key, value in model.state_dict().items() if key in alone.state_dict()}
    alone.load_state_dict(_with_metadata(weights, model))
    clouds = [cloud(points, 0)]
    shown = [pictures(0)] if images else None
    expected = outputs(alone, None if images else clouds, shown, [sample()])
    assert_same(outputs(model, clouds, shown, [sample()]), expected)
    if not images:
        absent = [sample(camera_present=ABSENT)]
        assert_same(outputs(model, clouds, [pictures(0)], absent), expected)


def test_absent_cameras_equal_fewer_cameras(model):
    """Cameras 0 and 2 of 3; the image of camera 1 is never looked at."""
    masked = sample(camera_present=[True, False, True])
    wild = pictures(0)
    wild[1] = 255
    two = sample()
    two.set_metainfo(dict(lidar2img=two.metainfo["lidar2img"][[0, 2]]))
    expected = outputs(model, [cloud(400, 0)], [pictures(0)[[0, 2]]], [two])
    assert_same(outputs(model, [cloud(400, 0)], [wild], [masked]), expected)


def test_a_mixed_batch_equals_its_samples(model):
    clouds = [cloud(400, 0), cloud(0, 1), cloud(300, 2), cloud(0, 3)]
    images = [pictures(seed) for seed in range(4)]
    samples = [
        sample(seed=0),
        sample(seed=1),
        sample(seed=2, camera_present=ABSENT),
        sample(seed=3, camera_present=ABSENT),
    ]
    together = outputs(model, clouds, images, samples)
    for row in range(4):
        alone = outputs(model, clouds[row : row + 1], images[row : row + 1], samples[row : row + 1])
        assert torch.isfinite(alone.code).all()
        assert_same(together, alone, slice(row, row + 1))


def test_points_out_of_range_are_an_empty_cloud(model):
    far = cloud(50, 0) + torch.tensor([100.0, 0, 0, 0, 0])
    expected = outputs(model, [cloud(0, 0)], [pictures(0)], [sample()])
    assert_same(outputs(model, [far], [pictures(0)], [sample()]), expected)


@pytest.mark.parametrize("modality_agnostic", [False, True])
def test_training_with_every_mixture(modality_agnostic):
    """One sample has both sensors, one cameras alone and no object, one nothing at all."""
    detector = build(tiny_model(modality_agnostic=modality_agnostic)).train()
    clouds, images = [cloud(400, 0), cloud(0, 1), cloud(0, 2)], [pictures(seed) for seed in range(3)]
    samples = [sample(3, seed=0), sample(0, seed=1), sample(2, seed=2, camera_present=ABSENT)]
    terms = losses(detector, clouds, images, samples)
    sum(terms.values()).backward()
    passes = ["", "lidar_only.", "camera_only."] if modality_agnostic else [""]
    names = {f"{p}{layer}{n}" for p in passes for layer in ("d0.", "") for n in LOSSES}
    assert terms.keys() == names
    gradients = {name: parameter.grad for name, parameter in detector.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())


def test_single_sensor_pass_is_the_loss_of_a_batch_without_the_other():
    """Dropout off, no noise and matching alone, so that both are the same numbers."""
    settings = dict(dropout=0.0, denoising=dict(noise_scale=0.0, split=2.0))
    detector = build(tiny_model(modality_agnostic=True, **settings)).train()
    detector.pts_bbox_head.shared_conv.eval()
    both = losses(detector, [cloud(400, 0)], [pictures(0)], [sample()])
    blind = losses(detector, [cloud(400, 0)], None, [sample()])
    deaf = losses(detector, [cloud(0, 0)], [pictures(0)], [sample()])
    for name in ("loss_cls", "d0.loss_bbox", "dn_loss_bbox"):
        torch.testing.assert_close(both[f"lidar_only.{name}"], blind[name], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(both[f"camera_only.{name}"], deaf[name], rtol=1e-4, atol=1e-5)


def test_a_batch_without_objects_trains():
    detector = build(tiny_model(("lidar",))).train()
    terms = losses(detector, [cloud(400, 0)], None, [sample(0)])
    assert terms["loss_bbox"] == 0 and terms["dn_loss_cls"] == 0 and terms["loss_cls"] > 0
    sum(terms.values()).backward()
    # several processes wait for every gradient
    assert [name for name, parameter in detector.named_parameters() if parameter.grad is None] == []


def test_non_finite_loss_is_named(model):
    detector = build(tiny_model(("lidar",))).train()
    detector.pts_bbox_head.task_heads[0].vel[-1].bias.data.fill_(torch.nan)  # velocity is not in the cost
    with pytest.raises(FloatingPointError, match="loss is not finite: d0.loss_bbox=nan"):
        losses(detector, [cloud(400, 0)], None, [sample()])


def test_bad_boxes_are_named():
    detector = build(tiny_model(("lidar",))).train()
    flat = sample()
    flat.gt_instances_3d.bboxes_3d.tensor[1, 3] = 0
    with pytest.raises(InputError, match="sample 0: 1 of 3 ground-truth boxes have a size <= 0"):
        losses(detector, [cloud(400, 0)], None, [flat])
    short = sample()
    short.gt_instances_3d.bboxes_3d = LiDARInstance3DBoxes(torch.ones(3, 7))
    with pytest.raises(InputError, match="boxes of 9 numbers"):
        losses(detector, [cloud(400, 0)], None, [short])


def test_labels_of_other_classes_are_named():
    detector = build(tiny_model(("lidar",))).train()
    other = sample()
    other.gt_instances_3d.labels_3d[0] = -1
    with pytest.raises(InputError, match=r"sample 0: expected labels 0 .. 9, found -1"):
        losses(detector, [cloud(400, 0)], None, [other])


def test_grid_mismatch_is_an_error_unless_asked_for():
    cfg = tiny_model(("lidar",))
    cfg["pts_middle_encoder"]["sparse_shape"] = [41, 48, 48]
    with pytest.raises(InputError, match=r"\[40, 64, 64\] cells.*\[41, 48, 48\].*crop_to_sparse_shape"):
        build(cfg)
    cropped = build(cfg | dict(crop_to_sparse_shape=True)).eval()
    inner = cloud(400, 0)
    inner = inner[(inner[:, :2] < 6.4).all(dim=1)]
    beyond = inner[:20].clone()
    beyond[:, 1] = 8.0
    outer = torch.cat([inner, beyond])
    assert_same(outputs(cropped, [outer], None, [sample()]), outputs(cropped, [inner], None, [sample()]))


def test_a_head_of_other_sensors_is_refused():
    cfg = tiny_model()
    cfg["pts_bbox_head"]["sensors"] = ("lidar",)
    with pytest.raises(InputError, match=r"branches for \(lidar, camera\), found lidar; change pts_bbox_head.sensors"):
        build(cfg)


def test_images_of_another_shape_are_named(model):
    with pytest.raises(InputError, match=r"expected \(1, cameras, 3, height, width\), found \(3, 3, 64, 96\)"):
        model({"imgs": torch.zeros(3, 3, 64, 96)}, [sample()], mode="tensor")


def test_initialisation_keeps_the_class_prior_and_the_references():
    detector = build(tiny_model())
    detector.init_weights()
    head = detector.pts_bbox_head
    torch.testing.assert_close(head.task_heads[0].cls_logits[-1].bias.sigmoid(), torch.full((20,), 0.1))
    assert 0 <= head.reference_points.weight.min() < 0.1 < 0.9 < head.reference_points.weight.max() <= 1


def test_mixed_precision():
    """As published: voxels, sparse encoder and head in float32, the other backbones and necks in half precision."""
    detector = build(tiny_model()).train()
    exact = ("pts_voxel_encoder", "pts_middle_encoder", "pts_bbox_head.transformer", "pts_bbox_head.bev_embedding")
    half = ("img_backbone", "img_neck", "pts_backbone", "pts_neck")
    found = {}

    def note(name):
        def hook(module, inputs, output):
            found[name] = (output[0] if isinstance(output, (tuple, list)) else output).dtype

        return hook

    for name in (*exact, *half):
        detector.get_submodule(name).register_forward_hook(note(name))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = losses(detector, [cloud(400, 0)], [pictures(0)], [sample()])
    assert found == dict.fromkeys(exact, torch.float32) | dict.fromkeys(half, torch.bfloat16)
    assert all(term.dtype == torch.float32 for term in terms.values())
    sum(terms.values()).backward()
