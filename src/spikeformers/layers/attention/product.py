"""The product q·k·v without softmax, in the cheaper order."""

from torch import Tensor


def qkv_product(q: Tensor, k: Tensor, v: Tensor, scale: float | Tensor) -> Tensor:
    r"""$(q k^\top) v \cdot s$ for q, k [..., N, d] and v [..., N, e] → [..., N, e].

    There is no softmax, so the product is associative: with $d e$ below $N (d + e) / 2$ it is computed as $q (k^\top v)$.
    On spikes every partial sum is an integer, so both orders are exact and equal below 2²⁴.
    """
    tokens, d, e = k.shape[-2], q.shape[-1], v.shape[-1]
    if 2 * d * e < tokens * (d + e):
        return q @ (k.transpose(-2, -1) @ v) * scale
    return (q @ k.transpose(-2, -1)) @ v * scale
