"""The decoder of CMT: queries attend to themselves, then to the tokens of every sensor.

Names of modules and parameters are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from perception3d.models.cmt.tokens import Tokens


class PackedAttention(nn.Module):
    """Multi-head attention by ``scaled_dot_product_attention``, with the parameters of ``nn.MultiheadAttention``.

    Args:
        embed_dims: width.
        num_heads: heads.
        dropout: dropout rate of the attention weights.
    """

    def __init__(self, embed_dims: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dims, embed_dims))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * embed_dims))
        self.out_proj = nn.Linear(embed_dims, embed_dims)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Attend.

        Args:
            query: (B, Q, D).
            key: (B, L, D).
            value: (B, L, D).
            allowed: bool, broadcastable to (B, heads, Q, L); True where a query may look.
            dtype: precision of the attention itself; the projections keep theirs.

        Returns:
            (B, Q, D).
        """
        if key.shape[1] == 0:
            return self.out_proj(torch.zeros_like(query))
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.num_heads, -1)).transpose(1, 2).to(dtype or x.dtype)
            for x, weight, bias in zip(
                (query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True
            )
        )
        dropout = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=dropout)
        return self.out_proj(attended.to(query.dtype).transpose(1, 2).flatten(2))


class Attention(nn.Module):
    """Attention with its residual connection; position encodings go to queries and keys, not to values."""

    def __init__(self, embed_dims: int, num_heads: int, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.attn = PackedAttention(embed_dims, num_heads, attention_dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        query_pos: Tensor,
        key: Tensor,
        value: Tensor,
        allowed: Tensor | None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Attend from x (B, Q, D) with its positions to key and value (B, L, D)."""
        return x + self.dropout(self.attn(x + query_pos, key, value, allowed, dtype))


class FeedForward(nn.Module):
    """Two linear layers with a residual connection."""

    def __init__(self, embed_dims: int, hidden_dims: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(embed_dims, hidden_dims), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(first, nn.Linear(hidden_dims, embed_dims))

    def forward(self, x: Tensor) -> Tensor:
        """Add the output of the layers to x."""
        return x + self.layers(x)


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward, each followed by a LayerNorm."""

    def __init__(self, embed_dims: int, num_heads: int, hidden_dims: int, dropout: float) -> None:
        super().__init__()
        # The published config asks for dropout in the cross-attention too, but the value lands on another argument;
        # the published weights were trained without.
        self.attentions = nn.ModuleList(
            [
                Attention(embed_dims, num_heads, dropout, dropout),
                Attention(embed_dims, num_heads, 0.0, dropout),
            ]
        )
        self.ffns = nn.ModuleList([FeedForward(embed_dims, hidden_dims)])
        self.norms = nn.ModuleList([nn.LayerNorm(embed_dims) for _ in range(3)])

    def forward(
        self,
        x: Tensor,
        query_pos: Tensor,
        key: Tensor,
        value: Tensor,
        self_allowed: Tensor | None,
        cross_allowed: Tensor | None,
        cross_dtype: torch.dtype | None,
    ) -> Tensor:
        """Queries (B, Q, D) after one layer."""
        to_self, to_tokens = self.attentions
        x = self.norms[0](to_self(x, query_pos, x + query_pos, x, self_allowed))
        x = self.norms[1](to_tokens(x, query_pos, key, value, cross_allowed, cross_dtype))
        return self.norms[2](self.ffns[0](x))


class Decoder(nn.Module):
    """A stack of layers; one LayerNorm, shared, makes the outputs, and the un-normed x goes on."""

    def __init__(self, num_layers: int, embed_dims: int, num_heads: int, hidden_dims: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [DecoderLayer(embed_dims, num_heads, hidden_dims, dropout) for _ in range(num_layers)]
        )
        self.post_norm = nn.LayerNorm(embed_dims)


class CMTTransformer(nn.Module):
    """Decoder from queries and tokens to one set of features a layer. Weight matrices start Xavier-uniform.

    Args:
        num_layers: decoder layers.
        embed_dims: width.
        num_heads: attention heads.
        hidden_dims: width inside the feed-forward networks.
        dropout: dropout rate of self-attention and of both attentions' residual branches.
        with_cp: recompute the layers in the backward pass to save memory.
    """

    def __init__(
        self,
        num_layers: int = 6,
        embed_dims: int = 256,
        num_heads: int = 8,
        hidden_dims: int = 1024,
        dropout: float = 0.1,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.decoder = Decoder(num_layers, embed_dims, num_heads, hidden_dims, dropout)
        self.with_cp = with_cp
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and name.endswith("weight"):
                nn.init.xavier_uniform_(parameter)

    def forward(
        self,
        query_pos: Tensor,
        tokens: Tokens,
        self_allowed: Tensor | None = None,
        cross_dtype: torch.dtype | None = None,
        last_only: bool = False,
        content: Tensor | None = None,
    ) -> Tensor:
        """Decode.

        Args:
            query_pos: (B, Q, D) position encodings of the queries.
            tokens: keys and values.
            self_allowed: bool (Q, Q), True where the row's query may look at the column's; None: everywhere.
            cross_dtype: precision of the cross-attention, None: that of the tokens.
            last_only: leave out the outputs of all layers but the last.
            content: (B, Q, D) what the queries start with; None: zeros, as published.

        Returns:
            (layers, B, Q, D), or (1, B, Q, D).
        """
        x = torch.zeros_like(query_pos) if content is None else content
        keys = tokens.feats + tokens.pos
        cross_allowed = None if tokens.valid is None else tokens.valid[:, None, None]
        outputs = []
        for layer in self.decoder.layers:
            args = (x, query_pos, keys, tokens.feats, self_allowed, cross_allowed, cross_dtype)
            x = checkpoint(layer, *args, use_reentrant=False) if self.with_cp and self.training else layer(*args)
            outputs.append(x)
        return torch.stack([self.decoder.post_norm(x) for x in (outputs[-1:] if last_only else outputs)])
