from dataclasses import replace

import pytest
import torch

from benchmarks.random_package import Architecture, write_random_package
from triage_assets.scoring.package import load_package
from triage_assets.scoring.vit import BACKBONES, BackboneVariant, VisionTransformer, VitSizes

# Two blocks of each known backbone, at the released width, on few patches: shapes and names are those of the real one.
ARCHITECTURES = {
    name: Architecture(backbone=name, width=width, depth=2, patch_px=patch, image_px=3 * patch, has_layer_scale=scale)
    for name, width, patch, scale in [
        ("vit_small_patch14_dinov2.lvd142m", 384, 14, True),
        ("vit_base_patch14_dinov2.lvd142m", 768, 14, True),
        ("vit_tiny_patch16_224", 192, 16, False),
        ("vit_small_patch16_224.augreg_in21k_ft_in1k", 384, 16, False),
        ("test_vit", 66, 16, False),
    ]
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_known_backbone_loads_and_runs(tmp_path, name):
    architecture = ARCHITECTURES[name]
    classifier = load_package(write_random_package(tmp_path / "model.zip", architecture)).classifier
    with torch.inference_mode():
        embeddings = classifier.embed(torch.randn(4, 3, architecture.image_px, architecture.image_px))
        assert embeddings.shape == (4, architecture.width)
        slots = torch.zeros(2, 20, architecture.width)
        slots[:, :4] = embeddings
        is_there = torch.arange(20).expand(2, 20) < 4
        logits = classifier.judge(slots, is_there)
    assert logits.shape == (2,)
    assert torch.isfinite(logits).all()


def test_every_known_backbone_is_tried_above():
    assert {name.partition(".")[0] for name in ARCHITECTURES} == set(BACKBONES)


def test_sizes_come_from_the_weights(tmp_path):
    small = replace(ARCHITECTURES["vit_tiny_patch16_224"], image_px=112, max_frames=6, head_layers=1, head_ffn=100)
    classifier = load_package(write_random_package(tmp_path / "model.zip", small)).classifier
    assert (classifier.image_px, classifier.max_frames) == (112, 6)


def test_mean_pooling_normalises_the_mean_of_the_patches(tmp_path):
    architecture = replace(ARCHITECTURES["vit_tiny_patch16_224"], pooling="avg", depth=1)
    vit = load_package(write_random_package(tmp_path / "model.zip", architecture)).classifier.backbone.backbone
    images = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        tokens = torch.cat([vit.cls_token.expand(2, -1, -1), vit.patch_embed(images)], dim=1) + vit.pos_embed
        expected = vit.fc_norm(vit.blocks(tokens)[:, 1:].mean(dim=1))
        assert torch.allclose(vit(images), expected, atol=1e-6)


def built(has_layer_scale: bool) -> VisionTransformer:
    torch.manual_seed(0)
    sizes = VitSizes(width=24, depth=2, mlp_width=48, patch_px=4, grid=2)
    vit = VisionTransformer(sizes, BackboneVariant(num_heads=3, has_layer_scale=has_layer_scale), "token")
    for parameter in vit.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return vit.eval()


def test_layer_scale_scales_each_branch():
    plain, scaled = built(has_layer_scale=False), built(has_layer_scale=True)
    scaled.load_state_dict(plain.state_dict(), strict=False)
    images = torch.randn(2, 3, 8, 8)
    for block in scaled.blocks:
        torch.nn.init.ones_(block.ls1.gamma)
        torch.nn.init.ones_(block.ls2.gamma)
    with torch.inference_mode():
        assert torch.allclose(scaled(images), plain(images), atol=1e-6)
    for block in scaled.blocks:
        torch.nn.init.zeros_(block.ls1.gamma)
        torch.nn.init.zeros_(block.ls2.gamma)
    with torch.inference_mode():
        # Without its branches a block changes nothing, and the class token never sees the image.
        assert torch.allclose(
            scaled(images)[0], scaled.norm(scaled.cls_token + scaled.pos_embed[:, :1])[0, 0], atol=1e-6
        )
