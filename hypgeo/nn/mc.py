"""Layers and losses whose weights and arithmetic are multi-component floats (:class:`hypgeo.MCTensor`)."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding as _embedding
from torch.nn.functional import linear, log_softmax, softplus

from hypgeo.mctensor import MCTensor
from hypgeo.mctensor.rows import embedding_rows

__all__ = ["Embedding", "Linear", "binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]

Reduction = Literal["mean", "sum", "none"]


def _parameter(shape: tuple[int, ...], components: int, dtype: torch.dtype | None, device: object) -> MCTensor:
    zeros = torch.zeros(shape, dtype=dtype or torch.get_default_dtype(), device=device)  # type: ignore[call-overload]
    return cast(MCTensor, nn.Parameter(MCTensor(zeros, components)))


class Linear(nn.Module):
    """``x W^T + b`` in N-component floats, ``(..., in_features) -> (..., out_features)``.

    Parameters are drawn as ``torch.nn.Linear`` draws them, in their leading components.  Inputs are MCTensors with the
    layer's N and component dtype, or plain tensors, which are taken exactly.

    components, dtype: N and the dtype of a component (default: PyTorch's default dtype).
    """

    weight: MCTensor
    bias: MCTensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        components: int = 2,
        *,
        bias: bool = True,
        dtype: torch.dtype | None = None,
        device: object = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features, self.components = in_features, out_features, components
        self.weight = _parameter((out_features, in_features), components, dtype, device)
        self.register_parameter(
            "bias", cast(nn.Parameter, _parameter((out_features,), components, dtype, device)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        for p in (self.weight, self.bias):
            if p is not None:
                nn.init.uniform_(p, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, components={self.components}, bias={self.bias is not None}"


class Embedding(nn.Module):
    """A table of N-component vectors, ``(...) of int -> (..., embedding_dim)``.

    sparse: gradients hold the rows that were looked up (:class:`hypgeo.mctensor.MCRows`), for MCSGD and MCAdam, which
    then move no other row.
    """

    weight: MCTensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        components: int = 2,
        *,
        padding_idx: int | None = None,
        sparse: bool = False,
        dtype: torch.dtype | None = None,
        device: object = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"padding_idx must name one of {num_embeddings} rows, got {padding_idx}")
        self.num_embeddings, self.embedding_dim, self.components = num_embeddings, embedding_dim, components
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.sparse = sparse
        self.weight = _parameter((num_embeddings, embedding_dim), components, dtype, device)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        if self.padding_idx is not None:
            with torch.no_grad():
                self.weight[self.padding_idx].zero_()

    def forward(self, index: Tensor) -> Tensor:
        if self.sparse:
            return embedding_rows(self.weight, index, -1 if self.padding_idx is None else self.padding_idx)
        return _embedding(index, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, components={self.components}, sparse={self.sparse}"


def _reduced(loss: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")


def mse_loss(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """(input - target)², of one shape."""
    if input.shape != target.shape:
        raise ValueError(f"mse_loss compares tensors of one shape, got {tuple(input.shape)} and {tuple(target.shape)}")
    return _reduced((input - target).square(), reduction)


def cross_entropy(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """Of logits ``(..., classes)`` against class numbers ``(...)`` or probabilities ``(..., classes)``."""
    log = log_softmax(input, -1)
    if not target.is_floating_point():
        return _reduced(-log.gather(-1, target.unsqueeze(-1)).squeeze(-1), reduction)
    return _reduced(-(target * log).sum(-1), reduction)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: Reduction = "mean") -> Tensor:
    """-t log σ(x) - (1 - t) log σ(-x) of logits x and probabilities t of one shape; nothing cancels for t = 0 and 1."""
    if input.shape != target.shape:
        raise ValueError(
            "binary_cross_entropy_with_logits compares tensors of one shape, "
            f"got {tuple(input.shape)} and {tuple(target.shape)}"
        )
    return _reduced(target * softplus(-input) + (1 - target) * softplus(input), reduction)
