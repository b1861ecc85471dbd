"""Scalar functions that Triton's language lacks, for emitted kernels."""

import triton
import triton.language as tl


@triton.jit
def sigmoid(u):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-u)."""
    return 1.0 / (1.0 + tl.exp(-u))


@triton.jit
def tanh(u):  # type: ignore[no-untyped-def]
    """Hyperbolic tangent: 1 − 2 / (e^2|u| + 1) with the sign of u."""
    size = 1.0 - 2.0 / (tl.exp(2.0 * tl.abs(u)) + 1.0)
    return tl.where(u < 0, -size, size)


@triton.jit
def atan(u):  # type: ignore[no-untyped-def]
    """Arctangent, to about 2e-7: reduced to |z| ≤ tan(π/8), there an odd polynomial."""
    size = tl.abs(u)
    far, middle = size > 2.414213562373095, size > 0.4142135623730951
    inverse = -1.0 / tl.where(far, size, 1.0)
    z = tl.where(far, inverse, tl.where(middle, (size - 1.0) / (size + 1.0), size))
    start = tl.where(far, 1.5707963267948966, tl.where(middle, 0.7853981633974483, 0.0))
    q = z * z
    p = ((8.05374449538e-2 * q - 1.38776856032e-1) * q + 1.99777106478e-1) * q - 3.33329491539e-1
    value = start + (p * q * z + z)
    return tl.where(u < 0, -value, value)


@triton.jit
def round_half_even(u, magic: tl.constexpr):  # type: ignore[no-untyped-def]
    """Nearest integer: adding and taking away 1.5 · 2^(digits − 1) leaves no room for a fraction."""
    return tl.where(tl.abs(u) < magic / 3, (u + magic) - magic, u)
