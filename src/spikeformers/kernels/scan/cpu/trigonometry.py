"""Sine, cosine and arctangent of float32 for emitted kernels: no branches, no calls, within 2 ulp, NaN and ±∞ as in C.

Sine and cosine take their argument apart in float64. It is known up to ±2^28; beyond, where neighboring float32 lie
periods apart, they are NaN.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from spikeformers.kernels.scan.cpu.math import absolute, copy_sign, fma

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def _low_bits(typing_context: Any, t: Any) -> Any:
    """The low 32 bits of a float64."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.trunc(builder.bitcast(args[0], _I64), _I32)

    return types.int32(types.float64), emit


def _f(value: float) -> np.float32:
    return np.float32(value)


_ZERO, _HALF, _ONE, _NAN = map(_f, (0.0, 0.5, 1.0, math.nan))
_ONE_BIT, _TWO_BITS, _NO_BITS = np.int32(1), np.int32(2), np.int32(0)
_FAR, _NEAR = _f(math.tan(3 * math.pi / 8)), _f(math.tan(math.pi / 8))
_RIGHT, _RIGHT_LOW = _f(math.pi / 2), _f(math.pi / 2 - float(_f(math.pi / 2)))
_EIGHTH, _EIGHTH_LOW = _f(math.pi / 4), _f(math.pi / 4 - float(_f(math.pi / 4)))
_A0, _A1, _A2, _A3, _A4 = map(
    _f, (-3.333331542e-01, 1.999848397e-01, -1.424373828e-01, 1.059513644e-01, -6.081148272e-02)
)
_S0, _S1, _S2, _S3 = map(_f, (-1.666666664e-01, 8.333329145e-03, -1.983925702e-04, 2.717568129e-06))
_C0, _C1, _C2 = map(_f, (4.166664566e-02, -1.388730633e-03, 2.443123919e-05))
_WHOLE, _LARGEST = 1.5 * 2.0**52, _f(2.0**28)
_QUARTERS, _QUARTER = 2 / math.pi, 1.5707963109016418
"""Quarter turns of a radian; a quarter turn to 25 bits, so that 2^28 of them are exact in float64."""
_QUARTER_LOW = 1.5893254773528196e-08


@njit(forceinline=True, error_model="numpy")
def _turned(x, quarters):  # type: ignore[no-untyped-def]
    """sin(x + quarters · π/2): x = r + k π/2 with |r| ≤ π/4, then the sine or cosine of r with a sign."""
    wide = np.float64(x)
    t = wide * _QUARTERS + _WHOLE
    k = t - _WHOLE
    r = np.float32((wide - k * _QUARTER) - k * _QUARTER_LOW)
    turn = _low_bits(t) + quarters
    z = r * r
    sine = fma(r * z, fma(z, fma(z, fma(z, _S3, _S2), _S1), _S0), r)
    cosine = fma(z * z, fma(z, fma(z, _C2, _C1), _C0), fma(-_HALF, z, _ONE))
    value = cosine if (turn & _ONE_BIT) != _NO_BITS else sine
    value = -value if (turn & _TWO_BITS) != _NO_BITS else value
    return value if absolute(x) <= _LARGEST else _NAN


@njit(forceinline=True, error_model="numpy")
def sin32(x):  # type: ignore[no-untyped-def]
    """Sine."""
    return _turned(x, _NO_BITS)


@njit(forceinline=True, error_model="numpy")
def cos32(x):  # type: ignore[no-untyped-def]
    """Cosine."""
    return _turned(x, _ONE_BIT)


@njit(forceinline=True, error_model="numpy")
def atan32(x):  # type: ignore[no-untyped-def]
    """Arctangent: of |x| above tan 3π/8 by −1/|x|, above tan π/8 by (|x| − 1)/(|x| + 1), then an odd polynomial."""
    a = absolute(x)
    far, near = a > _FAR, a <= _NEAR
    over = -_ONE if far else (a if near else a - _ONE)
    under = a if far else (_ONE if near else a + _ONE)
    z = over / under
    q = z * z
    p = fma(q, fma(q, fma(q, fma(q, _A4, _A3), _A2), _A1), _A0)
    start, low = (_RIGHT if far else _EIGHTH), (_RIGHT_LOW if far else _EIGHTH_LOW)
    value = (fma(z * q, p, _ZERO if near else low) + z) + (_ZERO if near else start)
    return copy_sign(value, x) if x == x else x
