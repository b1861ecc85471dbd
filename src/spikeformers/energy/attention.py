"""In which order an attention without softmax multiplies, and what the other order would take."""

from typing import Any

from spikeformers.energy.rows import Row

TOKENS_FIRST, CHANNELS_FIRST = "(q·kᵀ)·v", "q·(kᵀ·v)"


def associations(rows: list[Row]) -> list[dict[str, Any]]:
    """For every module with two chained products: its order, and dense multiply-accumulates of both orders.

    For N tokens of d channels per head, (q·kᵀ)·v makes 2·N²·d and q·(kᵀ·v) makes 2·N·d²; the counts of one step and
    head are given. Accumulates of spikes follow the order that the model runs.
    """
    products: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "product":
            products.setdefault(row.path.rpartition("[")[0], []).append(row)
    return [
        {"path": path, **found} for path, pair in products.items() if len(pair) == 2 and (found := _association(*pair))
    ]


def _association(first: Row, second: Row) -> dict[str, Any] | None:
    if first.shape is None or second.shape is None:
        return None
    (_, m1, k1, n1), (_, m2, k2, n2) = first.shape, second.shape
    if (m2, k2, n2) == (m1, n1, k1) and m1 == n1:
        tokens, channels, order, other = m1, k1, TOKENS_FIRST, CHANNELS_FIRST
    elif (k2, n2) == (m1, n1) and m1 == n1 and m2 == k1:
        tokens, channels, order, other = k1, m1, CHANNELS_FIRST, TOKENS_FIRST
    else:
        return None
    costs = {TOKENS_FIRST: 2 * tokens**2 * channels, CHANNELS_FIRST: 2 * tokens * channels**2}
    return {
        "order": order,
        "tokens": tokens,
        "channels": channels,
        "dense_macs": costs[order],
        "other_order": other,
        "other_dense_macs": costs[other],
        "acs": first.acs + second.acs,
    }
