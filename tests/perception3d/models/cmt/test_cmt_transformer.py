import pytest
import torch
from torch import nn

from perception3d.models.cmt.tokens import Tokens
from perception3d.models.cmt.transformer import CMTTransformer, PackedAttention


def tokens(batch=2, length=30, width=16, valid=None):
    generator = torch.Generator().manual_seed(1)
    feats = torch.randn(batch, length, width, generator=generator)
    return Tokens(feats, torch.randn(1, length, width, generator=generator), valid)


def transformer(**settings):
    torch.manual_seed(0)
    return CMTTransformer(num_layers=3, embed_dims=16, num_heads=2, hidden_dims=24, **settings)


def queries(batch=2):
    return torch.randn(batch, 7, 16, generator=torch.Generator().manual_seed(2))


def test_attention_equals_torch_and_takes_its_weights():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    ours = PackedAttention(16, 4, dropout=0.1).eval()
    ours.load_state_dict(theirs.state_dict())
    q, k, v = torch.randn(2, 5, 16), torch.randn(2, 9, 16), torch.randn(2, 9, 16)
    blocked = torch.rand(5, 9) < 0.3
    expected, _ = theirs(q, k, v, attn_mask=blocked)
    torch.testing.assert_close(ours(q, k, v, ~blocked), expected)


def test_decoder_against_the_formula():
    """Post-norm layers written out with torch's own modules, values without positions."""
    model = transformer().eval()
    memory, query_pos = tokens(), queries()
    x, expected = torch.zeros_like(query_pos), []
    for layer in model.decoder.layers:
        attentions = []
        for attention in layer.attentions:
            theirs = nn.MultiheadAttention(16, 2, batch_first=True).eval()
            theirs.load_state_dict(attention.attn.state_dict())
            attentions.append(theirs)
        x = layer.norms[0](x + attentions[0](x + query_pos, x + query_pos, x)[0])
        x = layer.norms[1](x + attentions[1](x + query_pos, memory.feats + memory.pos, memory.feats)[0])
        (first, _), second = layer.ffns[0].layers
        x = layer.norms[2](x + second(first(x).relu()))
        expected.append(model.decoder.post_norm(x))
    torch.testing.assert_close(model(query_pos, memory), torch.stack(expected))
    torch.testing.assert_close(model(query_pos, memory, last_only=True)[0], expected[-1])


def test_masked_tokens_are_a_shorter_list():
    model = transformer().eval()
    valid = torch.ones(2, 30, dtype=torch.bool)
    valid[0, 10:] = False
    memory = tokens(valid=valid)
    masked = model(queries(), memory)
    short = model(queries()[:1], Tokens(memory.feats[:1, :10], memory.pos[:, :10]))
    full = model(queries()[1:], Tokens(memory.feats[1:], memory.pos))
    torch.testing.assert_close(masked, torch.cat([short, full], dim=1))


def test_a_sample_without_any_token_is_finite_and_equals_an_empty_list():
    model = transformer().train()
    valid = torch.ones(2, 30, dtype=torch.bool)
    valid[0] = False
    query_pos = queries().requires_grad_()
    out = model.eval()(query_pos, tokens(valid=valid))
    none = model(queries()[:1], Tokens(torch.zeros(1, 0, 16), torch.zeros(1, 0, 16)))
    torch.testing.assert_close(out[:, :1], none)
    out.square().sum().backward()
    assert torch.isfinite(query_pos.grad).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_recomputation_gives_the_same_gradients():
    grads = []
    for with_cp in (False, True):
        model = transformer(dropout=0.0, with_cp=with_cp).train()
        model(queries(), tokens()).square().sum().backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*grads)


def test_lower_precision_is_used_in_the_cross_attention_only():
    model = transformer().eval()
    exact, rounded = model(queries(), tokens()), model(queries(), tokens(), cross_dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().max().item() < 0.1


def test_cross_attention_weights_are_never_dropped():
    layer = transformer(dropout=0.5).decoder.layers[0]
    to_self, to_tokens = layer.attentions
    assert (to_self.attn.dropout, to_tokens.attn.dropout) == (0.5, 0.0)
    assert to_tokens.dropout.p == pytest.approx(0.5)
