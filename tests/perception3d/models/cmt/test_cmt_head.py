import pytest
import torch
from cmt_comparison import assert_close, by_pair
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.structures import InstanceData

from corruptions.core import InputError
from perception3d.models.cmt import criterion
from perception3d.models.cmt import head as head_module
from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.head import CMTHead
from perception3d.models.cmt.task_head import TaskHead
from perception3d.models.cmt.tokens import CameraFeatures, LidarFeatures, SensorFeatures

CODE = {
    "center": slice(0, 2),
    "height": slice(2, 3),
    "dim": slice(3, 6),
    "rot": slice(6, 8),
    "vel": slice(8, 10),
}
EVERY = torch.ones(2, dtype=torch.bool)


def published_head(answers, **settings):
    coder = dict(
        type="perception3d.CMTBoxCoder",
        post_center_range=answers.meta.get("post_center_range", [-61.2, -61.2, -10, 61.2, 61.2, 10]),
    )
    head = CMTHead(answers.meta["pc_range"], coder, **settings)
    head.load_state_dict(answers.weights_of("pts_bbox_head."))
    return head


def assert_branch(found, expected, branch, what):
    """Absolute, as float32 allows: 2e-4 m on centres, 2e-5 on the other numbers."""
    atol = 2e-4 if branch == "center" else 2e-5
    torch.testing.assert_close(found, expected, rtol=0, atol=atol, msg=lambda text: f"{what} {branch}: {text}")


def test_fusion_head_equals_the_published_one(known):
    answers = known("A_fused_head_eval")
    head = published_head(answers).eval()
    metas = [dict(lidar2img=answers[f"f64_lidar2img{sample}"].numpy()) for sample in range(2)]
    cameras = Cameras.from_metas(metas, 6, (128, 320), "cpu")
    features = SensorFeatures(
        2, LidarFeatures(answers.input("pts_feat"), EVERY), CameraFeatures(answers.input("img_feat"), cameras)
    )
    with torch.no_grad():
        outputs = head(features)
        detections = head.predict(features)

    branches = {name: outputs.code[..., part] for name, part in CODE.items()} | {"cls_logits": outputs.logits}
    for name, values in branches.items():
        for layer in (0, 5):
            assert_branch(values[layer], answers[f"layer{layer}.{name}"], name, f"layer {layer}")
        assert_branch(values[1:5].mean(2), answers[f"layers1to4.{name}.mean"], name, "mean")
        assert_branch(values[1:5].std(2, correction=0), answers[f"layers1to4.{name}.std"], name, "std")

    for sample, found in enumerate(detections):
        bottom = found.boxes.clone()
        bottom[:, 2] -= bottom[:, 5] / 2
        rows = by_pair(vars(found) | {"boxes": bottom})
        names = ("query", "labels", "boxes", "scores")
        expected = by_pair({name: answers[f"decoded{sample}.{name}"] for name in names})
        assert rows.keys() == expected.keys()
        for pair, row in expected.items():
            torch.testing.assert_close(rows[pair], row, rtol=0, atol=2e-4)


def kept(monkeypatch, owner, name):
    """What a function will have returned."""
    found, function = [], getattr(owner, name)

    def call(*args, **settings):
        found.append(function(*args, **settings))
        return found[-1]

    monkeypatch.setattr(owner, name, call)
    return found


def test_training_step_equals_the_published_one(known, monkeypatch):
    answers = known("D_lidar_head_train")
    head = published_head(answers, sensors=("lidar",), kernel_size=3, dropout=0.0).train()
    draws = answers.input("dn_random")
    drawn = head_module.make_denoising
    monkeypatch.setattr(head_module, "make_denoising", lambda *args: drawn(*args, draws=draws))
    decoded, assigned = kept(monkeypatch, head, "_decode"), kept(monkeypatch, criterion, "assign")
    samples = []
    for index in range(2):
        boxes, labels = answers.inputs[f"gt{index}"]
        truth = InstanceData(
            bboxes_3d=LiDARInstance3DBoxes(torch.from_numpy(boxes), box_dim=9), labels_3d=torch.from_numpy(labels)
        )
        sample = Det3DDataSample()
        sample.gt_instances_3d = truth
        samples.append(sample)
    features = answers.input("pts_feat").requires_grad_()
    losses = head.loss(SensorFeatures(2, LidarFeatures(features, EVERY)), samples)
    total = sum(losses.values())
    total.backward()

    for rows, prefix in zip(decoded[0].split(130), ("dn_", ""), strict=True):
        for name, part in CODE.items():
            assert_branch(rows.code[5, ..., part].detach(), answers[f"layer5.{prefix}{name}"], name, f"train {prefix}")
        assert_branch(rows.logits[5].detach(), answers[f"layer5.{prefix}cls_logits"], "cls_logits", f"train {prefix}")
    for sample, queries in enumerate(assigned):
        by_class = answers[f"gt{sample}.labels"].argsort(stable=True)  # the published code's order of the objects
        assert torch.equal(queries[:, by_class], answers["assigned_query"][:, sample, : len(by_class)])

    expected = {key[len("loss.") :]: answers[key] for key in answers.names() if key.startswith("loss.")}
    assert losses.keys() == expected.keys()
    assert len(losses) == 24
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=1e-5, atol=0, msg=lambda text: f"{name}: {text}")  # noqa: B023
    torch.testing.assert_close(total, answers["loss_total"], rtol=3e-6, atol=0)
    parameters = dict(head.named_parameters())
    for key in [key for key in answers.names() if key.startswith("gradnorm.")]:
        name = key[len("gradnorm.") :]
        gradient = features.grad if name == "input.pts_feat" else parameters[name[len("pts_bbox_head.") :]].grad
        torch.testing.assert_close(gradient.norm(), answers[key], rtol=1e-4, atol=0)
    assert_close(head.shared_conv.bn.running_mean, answers["running_mean_after"], 1e-6)
    assert_close(head.shared_conv.bn.running_var, answers["running_var_after"], 1e-6)


@pytest.mark.parametrize("kernel", [1, 3])
def test_last_layer_alone_gives_the_same_branches(kernel):
    torch.manual_seed(0)
    task = TaskHead(embed_dims=16, num_layers=3, num_classes=10, kernel_size=kernel, class_prior=None)
    outputs = torch.randn(3, 2, 7, 16)
    for name, values in task(outputs[-1:]).items():
        torch.testing.assert_close(values[0], task(outputs)[name][-1])


def test_layers_do_not_share_a_branch_and_kernel_one_does_not_mix_queries():
    torch.manual_seed(0)
    task = TaskHead(embed_dims=16, num_layers=2, num_classes=10, kernel_size=1, class_prior=None)
    outputs = torch.randn(2, 1, 5, 16)
    changed = outputs.clone()
    changed[1, 0, 3] += 1
    moved = (task(outputs)["center"] != task(changed)["center"]).any(-1)
    assert moved.nonzero().tolist() == [[1, 0, 3]]


def test_classes_start_at_the_prior():
    task = TaskHead(embed_dims=16, num_layers=2, num_classes=10, kernel_size=1, class_prior=0.1)
    torch.testing.assert_close(task.cls_logits[-1].bias.sigmoid(), torch.full((20,), 0.1))


def test_bad_settings_are_named():
    coder = dict(type="perception3d.CMTBoxCoder", post_center_range=[0] * 6)
    with pytest.raises(InputError, match="sensors: expected some of"):
        CMTHead([0.0] * 6, coder, sensors=("radar",))
    with pytest.raises(InputError, match="modality_agnostic: expected sensors"):
        CMTHead([0.0] * 6, coder, sensors=("lidar",), modality_agnostic=True)
