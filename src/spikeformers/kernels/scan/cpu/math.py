"""Scalar functions for emitted kernels, written so that LLVM turns loops over them into vector code.

Everything here is inlined into the kernels: no branches, no calls. Functions of float32 are within 2 ulp of the true
value (the sigmoid 2.5), right at ±∞, NaN, over- and underflow; in float64 the C library computes.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_F32, _I32, _I16 = ir.FloatType(), ir.IntType(32), ir.IntType(16)


def _llvm_function(name: str, arguments: int = 1) -> Any:
    """An intrinsic that calls LLVM's function `name` on numbers of one floating-point type."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        function = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind] * arguments))
        return builder.call(function, args)

    def one(typing_context: Any, a: Any) -> Any:
        return a(a), emit

    def two(typing_context: Any, a: Any, b: Any) -> Any:
        return a(a, a), emit

    def three(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
        return a(a, a, a), emit

    return intrinsic((one, two, three)[arguments - 1])


floor = _llvm_function("llvm.floor")
round_half_even = _llvm_function("llvm.rint")
sqrt = _llvm_function("llvm.sqrt")
absolute = _llvm_function("llvm.fabs")
copy_sign = _llvm_function("llvm.copysign", 2)
fma = _llvm_function("llvm.fmuladd", 3)
"""a · b + c, rounded once on processors that have the instruction, else twice."""


@intrinsic
def add_freely(typing_context: Any, total: Any, term: Any) -> Any:
    """total + term as part of a sum that LLVM may take in any order, as vector code must."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(args[0], args[1], flags=("reassoc", "nsz"))

    return total(total, total), emit


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


def _mark(builder: Any, access: Any, row: int) -> None:
    """Tell LLVM that an access to memory overlaps none to other rows (as types of C that differ do not overlap)."""
    module = builder.module
    root = module.add_metadata([ir.MetaDataString(module, "rows of a scan")])
    zero = ir.Constant(ir.IntType(64), 0)
    kind = module.add_metadata([ir.MetaDataString(module, f"row {row}"), root, zero])
    access.set_metadata("tbaa", module.add_metadata([kind, kind, zero]))


@intrinsic(prefer_literal=True)
def get(typing_context: Any, start: Any, place: Any, row: Any) -> Any:
    """start[place], where the memory of a `row` (a literal number) is reached by no other row."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        value = builder.load(builder.gep(args[0], [args[1]], inbounds=True))
        _mark(builder, value, row.literal_value)
        return value

    return start.dtype(start, types.int64, row), emit


@intrinsic(prefer_literal=True)
def put(typing_context: Any, start: Any, place: Any, value: Any, row: Any) -> Any:
    """start[place] = value, as `get`."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        access = builder.store(args[2], builder.gep(args[0], [args[1]], inbounds=True))
        _mark(builder, access, row.literal_value)
        return context.get_dummy_value()

    return types.void(start, types.int64, start.dtype, row), emit


@intrinsic
def draw(typing_context: Any, counter: Any) -> Any:
    """Add 1 to the integer that `counter` points at, as one indivisible step; returns what it was before."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", args[0], ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(types.CPointer(types.int64)), emit


@intrinsic
def _power_of_two(typing_context: Any, t: Any) -> Any:
    """2^k from the float32 t = 1.5 · 2^23 + 127 + k, k in [-126, 127]: its low bits are those of the exponent."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.shl(builder.bitcast(args[0], _I32), ir.Constant(_I32, 23)), _F32)

    return types.float32(types.float32), emit


@intrinsic
def _powers_of_two(typing_context: Any, t: Any) -> Any:
    """Two powers whose product is 2^k from the float32 t = 1.5 · 2^23 + 254 + k, k in [-150, 128]."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits, width = builder.bitcast(args[0], _I32), ir.Constant(_I32, 23)
        first = builder.lshr(bits, ir.Constant(_I32, 1))
        parts = [builder.bitcast(builder.shl(half, width), _F32) for half in (first, builder.sub(bits, first))]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(types.float32, 2)(types.float32), emit


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


_ZERO, _HALF, _ONE, _TWO = map(_f, (0.0, 0.5, 1.0, 2.0))
_LOG2E, _LN2_HIGH, _LN2_LOW = _f(1.4426950408889634), _f(0.693359375), _f(-2.12194440e-4)
_LOWEST, _HIGHEST, _SATURATED = _f(-104.0), _f(89.0), _f(86.0)
_WHOLE, _WHOLE_HALVES = _f(1.5 * 2**23 + 127), _f(1.5 * 2**23 + 254)
_E2, _E3, _E4, _E5, _E6, _E7 = map(_f, (0.5, 1 / 6, 4.16657962e-2, 8.33345205e-3, 1.39819994e-3, 1.98756912e-4))
_TANH_SMALL, _TANH_ONE = _f(0.625), _f(20.0)
_T3, _T5, _T7, _T9, _T11 = map(
    _f, (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)
)
_TINY, _SCALE, _SCALE_LOG2 = _f(1.17549435e-38), _f(2.0**25), _f(25.0)
_L0, _L1, _L2, _L3, _L4 = map(
    _f, (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1)
)
_L5, _L6, _L7, _L8 = map(_f, (-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))
_INFINITY, _NAN = _f(math.inf), _f(math.nan)
_ERF_SMALL, _ERF_ONE = _f(0.875), _f(4.0)
_F0, _F1, _F2, _F3, _F4, _F5 = map(
    _f, (1.283791585e-01, -3.761255715e-01, 1.128252416e-01, -2.679395420e-02, 5.035871248e-03, -6.222418178e-04)
)
_G0, _G1, _G2, _G3 = map(_f, (1.128520929e00, 6.357698086e-01, 1.049787693e-01, -2.237148896e-02))
_G4, _G5, _G6, _G7 = map(_f, (2.741207781e-03, 1.947775395e-05, -5.926235391e-05, 6.071098040e-06))


@njit(forceinline=True, error_model="numpy")
def _exp_reduced(x, k):  # type: ignore[no-untyped-def]
    """e^r of r = x − k ln 2, |r| ≤ ½ ln 2."""
    r = fma(k, -_LN2_LOW, fma(k, -_LN2_HIGH, x))
    z = r * r
    p = fma(z, fma(z, fma(r, _E7, _E6), fma(r, _E5, _E4)), fma(r, _E3, _E2))
    return fma(z, p, r) + _ONE


@njit(forceinline=True, error_model="numpy")
def exp32(x):  # type: ignore[no-untyped-def]
    """e^x = e^r 2^k; 2^k in two halves, so that subnormals come out. The clamps let NaN pass."""
    low = _LOWEST if x < _LOWEST else x
    c = _HIGHEST if low > _HIGHEST else low
    t = fma(c, _LOG2E, _WHOLE_HALVES)
    first, second = _powers_of_two(t)
    return (_exp_reduced(c, t - _WHOLE_HALVES) * first) * second


@njit(forceinline=True, error_model="numpy")
def sigmoid32(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x), where half of e^-x needs but one power of two."""
    high = _SATURATED if x > _SATURATED else x
    c = -_HIGHEST if high < -_HIGHEST else high
    t = fma(c, -_LOG2E, _WHOLE - _ONE)
    p = _exp_reduced(-c, t - (_WHOLE - _ONE))
    return _ONE / fma(p + p, _power_of_two(t), _ONE)


@njit(forceinline=True, error_model="numpy")
def tanh32(x):  # type: ignore[no-untyped-def]
    """An odd polynomial near 0, elsewhere 1 − 2 / (e^2|x| + 1) with the sign of x."""
    a = absolute(x)
    z = x * x
    small = fma(x * z, fma(z, fma(z * z, fma(z, _T11, _T9), fma(z, _T7, _T5)), _T3), x)
    double = a + a
    c = _TANH_ONE if double > _TANH_ONE else double
    t = fma(c, _LOG2E, _WHOLE)
    big = _ONE - _TWO / fma(_exp_reduced(c, t - _WHOLE), _power_of_two(t), _ONE)
    return small if a < _TANH_SMALL else copy_sign(big, x)


@njit(forceinline=True, error_model="numpy")
def erf32(x):  # type: ignore[no-untyped-def]
    """Gauss error function: an odd polynomial near 0, elsewhere 1 − e^-p(|x|) with the sign of x."""
    z = x * x
    small = fma(x, fma(z, fma(z, fma(z, fma(z, fma(z, _F5, _F4), _F3), _F2), _F1), _F0), x)
    size = absolute(x)
    a = _ERF_ONE if size > _ERF_ONE else size
    p = fma(a, fma(a, fma(a, fma(a, fma(a, fma(a, fma(a, _G7, _G6), _G5), _G4), _G3), _G2), _G1), _G0)
    c = -a * p
    t = fma(c, _LOG2E, _WHOLE)
    big = fma(-_exp_reduced(c, t - _WHOLE), _power_of_two(t), _ONE)
    return small if size < _ERF_SMALL else copy_sign(big, x)


@njit(forceinline=True, error_model="numpy")
def log32(x):  # type: ignore[no-untyped-def]
    """ln x: x = m 2^e with m near 1, a polynomial in m − 1, plus e ln 2."""
    subnormal = x < _TINY
    m, e = _split(x * _SCALE if subnormal else x)
    e = e - (_SCALE_LOG2 if subnormal else _ZERO)
    r = m - _ONE
    z = r * r
    p = fma(fma(fma(fma(fma(_L0, r, _L1), r, _L2), r, _L3), r, _L4), r, _L5)
    p = fma(fma(fma(p, r, _L6), r, _L7), r, _L8)
    value = fma(e, _LN2_HIGH, r + fma(-_HALF, z, fma(r * z, p, e * _LN2_LOW)))
    value = value if x > _ZERO else (-_INFINITY if x == _ZERO else _NAN)
    return value if x < _INFINITY else x


@njit(forceinline=True, error_model="numpy")
def sigmoid64(x):  # type: ignore[no-untyped-def]
    """1 / (1 + e^-x) in float64."""
    return 1.0 / (1.0 + math.exp(-x))
