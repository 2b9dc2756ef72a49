import pytest
import torch
from cmt_comparison import assert_close
from mmdet3d.registry import MODELS

from corruptions.core import InputError
from perception3d.models.backbones import VoVNet
from perception3d.models.cmt.grid_mask import GridMask, grid_mask
from perception3d.models.necks import CPFPN

RESNET = dict(type="mmdet.ResNet", depth=50, out_indices=(2, 3), norm_eval=True, style="pytorch")


@pytest.mark.parametrize(
    ("name", "backbone", "channels"),
    [
        ("F_vovnet99_cpfpn", dict(type="perception3d.VoVNet", arch="V-99-eSE"), (768, 1024)),
        ("F_resnet50_cpfpn", RESNET, (1024, 2048)),
    ],
)
def test_backbone_and_neck_equal_the_published_ones(known, name, backbone, channels):
    answers = known(name)
    backbone = MODELS.build(backbone)
    neck = CPFPN(channels, 256)
    backbone.load_state_dict(answers.weights_of("img_backbone."))
    neck.load_state_dict(answers.weights_of("img_neck."))
    backbone.eval()
    with torch.no_grad():
        levels = backbone(answers.input("img"))
        outputs = neck.eval()(levels)
    for level in range(2):
        assert_close(levels[level], answers[f"backbone{level}"], 4e-6, f"{name} backbone {level}")
        assert_close(outputs[level], answers[f"neck{level}"], 4e-6, f"{name} neck {level}")


def test_strides_and_widths():
    levels = VoVNet("V-19-slim-eSE", out_stages=(2, 3, 4, 5)).eval()(torch.zeros(1, 3, 96, 160))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (112, 24, 40),
        (256, 12, 20),
        (384, 6, 10),
        (512, 3, 5),
    ]


def test_norm_statistics_stay_frozen_in_training():
    backbone = VoVNet("V-19-slim-eSE", out_stages=(2,)).train()
    before = {key: value.clone() for key, value in backbone.state_dict().items() if "running" in key}
    backbone(torch.randn(2, 3, 32, 32))[0].sum().backward()
    after = backbone.state_dict()
    assert before and all(torch.equal(after[key], value) for key, value in before.items())
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_recomputation_gives_the_same_gradients():
    grads = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        backbone = VoVNet("V-19-slim-eSE", out_stages=(3,), with_cp=with_cp).train()
        image = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        backbone(image)[0].square().sum().backward()
        grads.append(image.grad)
    torch.testing.assert_close(*grads)


def test_bad_settings_are_named():
    with pytest.raises(InputError, match="arch: expected one of V-99-eSE.*found 'V-1'"):
        VoVNet("V-1")
    with pytest.raises(InputError, match="out_stages"):
        VoVNet("V-19-slim-eSE", out_stages=(1,))
    with pytest.raises(InputError, match="expected 2 levels, found 1"):
        CPFPN([8, 8], 8)([torch.zeros(1, 8, 4, 4)])


def test_grid_mask_by_hand():
    """Period 4, bars of 2: rows 0 and 1 of every 4 are kept, and columns likewise; squares of 2 x 2 are blanked."""
    mask = grid_mask(4, 8, period=4, ratio=0.5, offset=(0, 0))
    kept, cut = [1.0] * 8, [1.0, 1, 0, 0, 1, 1, 0, 0]
    assert mask.tolist() == [kept, kept, cut, cut]
    assert grid_mask(4, 8, 4, 0.5, offset=(1, 3))[0].tolist() == kept
    assert grid_mask(4, 8, 4, 0.5, offset=(1, 3))[1].tolist() == [0, 1, 1, 0, 0, 1, 1, 0]


def test_grid_mask_is_shared_and_for_training_alone():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 32, 48) + 1
    module = GridMask(prob=1.0).train()
    masked = module(images)
    blank = masked == 0
    assert blank.any() and torch.equal(masked[~blank], images[~blank])
    assert torch.equal(blank, blank[:1, :1].expand_as(blank))
    assert torch.equal(module.eval()(images), images)
    assert torch.equal(GridMask(prob=0.0).train()(images), images)
