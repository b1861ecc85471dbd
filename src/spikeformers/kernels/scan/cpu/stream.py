"""Storing a row past the caches.

An ordinary store to memory that is not in cache first reads it from there. A store past the caches does not, so a large
result costs half the traffic. It writes whole vectors to aligned places; hence a kernel fills a row that stays in cache and
sends that off.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_BYTES = 32
"""Size and alignment of a vector that is stored."""


@intrinsic
def _lanes(typing_context: Any, start: Any) -> Any:
    """How many numbers of the type that `start` points at are in a vector."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(64), _BYTES * 8 // start.dtype.bitwidth)

    return types.int64(start), emit


@intrinsic
def _ahead(typing_context: Any, start: Any) -> Any:
    """Numbers from `start` to the first aligned one."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(64)
        missing = builder.and_(builder.neg(builder.ptrtoint(args[0], wide)), ir.Constant(wide, _BYTES - 1))
        return builder.udiv(missing, ir.Constant(wide, start.dtype.bitwidth // 8))

    return types.int64(start), emit


@intrinsic
def _send(typing_context: Any, target: Any, row: Any, place: Any) -> Any:
    """Store the vector at row[place] to target[place], which is aligned, past the caches."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type.pointee
        vector = ir.VectorType(kind, _BYTES * 8 // target.dtype.bitwidth).as_pointer()
        goal, source = (builder.bitcast(builder.gep(start, [args[2]]), vector) for start in args[:2])
        store = builder.store(builder.load(source, align=target.dtype.bitwidth // 8), goal, align=_BYTES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(target, row, place), emit


@intrinsic
def settle(typing_context: Any) -> Any:
    """Let all stores be seen by other threads before what follows, those past the caches too."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


@njit(forceinline=True, error_model="numpy")
def send(target, row, count):  # type: ignore[no-untyped-def]
    """target[:count] = row[:count], past the caches but for what is left over on either side of whole vectors."""
    lanes = _lanes(target)
    start = min(_ahead(target), count)
    for i in range(start):
        target[i] = row[i]
    whole = start + (count - start) // lanes * lanes
    for i in range(start, whole, lanes):
        _send(target, row, i)
    for i in range(whole, count):
        target[i] = row[i]
