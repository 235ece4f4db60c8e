"""Attention: each query takes a mean of the values, weighted by how well its key fits."""

from __future__ import annotations  # NumPy loads np.random when it is first touched: annotations must not touch it

import math
from typing import Any

import numpy as np

from ...errors import DtypeError, ShapeError
from ...ops import activations as rows
from ...ops.arithmetic import where_op
from .embeddings import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
                                 is_causal: bool = False, scale: float | None = None,
                                 generator: np.random.Generator | None = None) -> Any:
    """softmax(scale Q Kᵀ + mask) V: (..., L, E), (..., S, E), (..., S, D) -> (..., L, D).  Vaswani et al. 2017, eq. 1.

    attn_mask  broadcasts to (..., L, S): bool, True where a query may look; or float, added to the scores
    dropout_p  dropout of the weights, always on where it is not 0
    is_causal  query i sees keys 0 to i; not together with attn_mask
    scale      None: 1 / sqrt(E)

    A query that may look at nothing gets 0, with gradient 0, and no nan.
    Raises ShapeError where the shapes do not fit, DtypeError for a mask of integers.
    """
    _check(query, key, value, attn_mask, is_causal)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.swapaxes(-1, -2)  # (..., L, E) @ (..., E, S) -> (..., L, S)
    if is_causal:
        scores = rows.causal(scores, fill=-math.inf)
    if attn_mask is None:
        weights = rows.softmax(scores, axis=-1)
    else:
        scores = where_op(attn_mask, scores, -math.inf) if attn_mask.dtype == bool else scores + attn_mask
        weights = rows.masked_softmax(scores, axis=-1)
    return dropout(weights, dropout_p, generator=generator) @ value


def _check(query: Any, key: Any, value: Any, mask: Any, is_causal: bool) -> None:
    name = "scaled_dot_product_attention"
    flat = min(query.ndim, key.ndim, value.ndim) < 2
    if flat or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{name}: query {query.shape}, key {key.shape} and value {value.shape} must be "
                         "(..., L, E), (..., S, E), (..., S, D)")
    if not query.shape[-1] or not key.shape[-2]:
        raise ShapeError(f"{name}: query {query.shape} and key {key.shape} need one feature and one key at least")
    try:
        batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise ShapeError(f"{name}: the axes before the last two of query {query.shape}, key {key.shape} and "
                         f"value {value.shape} must be the same, or broadcast") from None
    if mask is None:
        return
    if is_causal:
        raise ValueError(f"{name}: give attn_mask or is_causal, not both")
    if mask.dtype.kind not in "bf":
        raise DtypeError(f"{name}: attn_mask is of bools (True: may look) or floats (added to the scores), "
                         f"not {mask.dtype}")
    whole = (*batch, query.shape[-2], key.shape[-2])
    if mask.ndim > len(whole) or any(m not in (1, n) for m, n in zip(mask.shape[::-1], whole[::-1], strict=False)):
        raise ShapeError(f"{name}: attn_mask has shape {mask.shape}, the scores have {whole}; "
                         "it must broadcast to them")
