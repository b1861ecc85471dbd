"""Scalar functions for emitted kernels, written so that LLVM turns loops over them into vector code.

Everything here is inlined into the kernels: no branches, no calls. Functions of float32 are within 2 ulp of the true
value, right at ±∞, NaN, over- and underflow; in float64 the C library computes.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_F32, _I32, _I16 = ir.FloatType(), ir.IntType(32), ir.IntType(16)


def _llvm_function(name: str) -> Any:
    """An intrinsic that calls LLVM's function `name` on its floating-point type."""

    @intrinsic
    def call(typing_context: Any, u: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = args[0].type
            function = builder.module.declare_intrinsic(name, [kind])
            return builder.call(function, args)

        return u(u), emit

    return call


floor = _llvm_function("llvm.floor")
round_half_even = _llvm_function("llvm.rint")
sqrt = _llvm_function("llvm.sqrt")
absolute = _llvm_function("llvm.fabs")


@intrinsic
def from_bfloat16(typing_context: Any, bits: Any) -> Any:
    """float32 value of 16 bits of a bfloat16."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = builder.shl(builder.zext(args[0], _I32), ir.Constant(_I32, 16))
        return builder.bitcast(wide, _F32)

    return types.float32(types.uint16), emit


@intrinsic
def to_bfloat16(typing_context: Any, value: Any) -> Any:
    """16 bits of the bfloat16 nearest to a float32, ties to even; every NaN becomes 0x7FC0."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _I32)
        odd = builder.and_(builder.lshr(bits, ir.Constant(_I32, 16)), ir.Constant(_I32, 1))
        rounded = builder.add(bits, builder.add(odd, ir.Constant(_I32, 0x7FFF)))
        high = builder.trunc(builder.lshr(rounded, ir.Constant(_I32, 16)), _I16)
        nan = builder.fcmp_unordered("uno", args[0], args[0])
        return builder.select(nan, ir.Constant(_I16, 0x7FC0), high)

    return types.uint16(types.float32), emit


@intrinsic
def pointer(typing_context: Any, address: Any, like: Any) -> Any:
    """The integer `address` as a pointer to numbers of the type of `like`."""
    target = types.CPointer(like)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(target))

    return target(types.int64, like), emit


@intrinsic
def at(typing_context: Any, start: Any, offset: Any) -> Any:
    """The pointer `offset` numbers after `start`.

    Where it came from is hidden from LLVM (by an assembler statement without instructions). Otherwise LLVM proves that
    rows do not overlap for all steps at once, which fails for neighboring rows of one buffer, and falls back to scalar
    code; now it compares the rows of each step.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]], inbounds=True)
        same = ir.FunctionType(place.type, [place.type])
        return builder.asm(same, "", "=r,0", [place], side_effect=False)

    return start(start, types.int64), emit


@intrinsic
def draw(typing_context: Any, counter: Any) -> Any:
    """Add 1 to the integer that `counter` points at, as one indivisible step; returns what it was before."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", args[0], ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(types.CPointer(types.int64)), emit


@intrinsic
def _power_of_two(typing_context: Any, k: Any) -> Any:
    """2^k of an integral float32 k in [-126, 127]."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        exponent = builder.add(builder.fptosi(args[0], _I32), ir.Constant(_I32, 127))
        return builder.bitcast(builder.shl(exponent, ir.Constant(_I32, 23)), _F32)

    return types.float32(types.float32), emit


@intrinsic
def _split(typing_context: Any, value: Any) -> Any:
    """(m, e) with value = m · 2^e, m in [√½, √2), for a positive normal float32."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        offset = ir.Constant(_I32, 0x3F3504F3)
        shifted = builder.sub(builder.bitcast(args[0], _I32), offset)
        exponent = builder.ashr(shifted, ir.Constant(_I32, 23))
        mantissa = builder.add(builder.and_(shifted, ir.Constant(_I32, 0x7FFFFF)), offset)
        parts = [builder.bitcast(mantissa, _F32), builder.sitofp(exponent, _F32)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float32, 2)(types.float32), emit


def _f(value: float) -> np.float32:
    return np.float32(value)


_LOG2E, _LN2_HIGH, _LN2_LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.12194440e-4)
_LOWEST, _HIGHEST = _f(-104.0), _f(89.0)
_E2, _E3, _E4, _E5, _E6, _E7 = map(_f, (0.5, 1 / 6, 4.16657962e-2, 8.33345205e-3, 1.39819994e-3, 1.98756912e-4))
_ZERO, _HALF, _ONE, _TWO = map(_f, (0.0, 0.5, 1.0, 2.0))
_TANH_SMALL = _f(0.625)
_T3, _T5, _T7, _T9, _T11 = map(
    _f, (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)
)
_TINY, _SCALE, _SCALE_LOG2 = _f(1.17549435e-38), _f(2.0**25), _f(25.0)
_L0, _L1, _L2, _L3, _L4 = map(
    _f, (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1)
)
_L5, _L6, _L7, _L8 = map(_f, (-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))
_INFINITY, _NAN = _f(math.inf), _f(math.nan)


@njit(forceinline=True, error_model="numpy")
def exp32(x):  # type: ignore[no-untyped-def]
    """e^x: x = k ln 2 + r with |r| ≤ ½ ln 2, a polynomial in r, times 2^k in two halves (so that subnormals come out)."""
    low = x if x > _LOWEST else _LOWEST
    c = low if low < _HIGHEST else _HIGHEST
    k = round_half_even(c * _LOG2E)
    r = (c - k * _LN2_HIGH) - k * _LN2_LOW
    p = _E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * _E7))))
    p = _ONE + (r + r * r * p)
    first = floor(k * _HALF)
    value = (p * _power_of_two(first)) * _power_of_two(k - first)
    return value if x == x else x


@njit(forceinline=True, error_model="numpy")
def sigmoid32(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x)."""
    return _ONE / (_ONE + exp32(-x))


@njit(forceinline=True, error_model="numpy")
def tanh32(x):  # type: ignore[no-untyped-def]
    """An odd polynomial near 0, elsewhere 1 − 2 / (e^2|x| + 1) with the sign of x."""
    a = absolute(x)
    z = x * x
    small = x + x * z * (_T3 + z * (_T5 + z * (_T7 + z * (_T9 + z * _T11))))
    big = _ONE - _TWO / (exp32(a + a) + _ONE)
    signed = -big if x < _ZERO else big
    return small if a < _TANH_SMALL else signed


@njit(forceinline=True, error_model="numpy")
def log32(x):  # type: ignore[no-untyped-def]
    """ln x: x = m 2^e with m near 1, a polynomial in m − 1, plus e ln 2."""
    subnormal = x < _TINY
    lifted = x * _SCALE if subnormal else x
    safe = lifted if (lifted >= _TINY) & (lifted < _INFINITY) else _ONE
    m, e = _split(safe)
    e = e - _SCALE_LOG2 if subnormal else e
    r = m - _ONE
    z = r * r
    p = ((((_L0 * r + _L1) * r + _L2) * r + _L3) * r + _L4) * r + _L5
    p = ((p * r + _L6) * r + _L7) * r + _L8
    value = r + ((r * z * p + e * _LN2_LOW) - _HALF * z) + e * _LN2_HIGH
    value = value if x > _ZERO else (-_INFINITY if x == _ZERO else _NAN)
    return value if x < _INFINITY else x


@njit(forceinline=True, error_model="numpy")
def sigmoid64(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x) in float64."""
    return 1.0 / (1.0 + math.exp(-x))
