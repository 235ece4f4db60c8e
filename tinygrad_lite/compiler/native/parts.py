"""What a native kernel is built from and numba does not have: typed pointers into memory, and the product of two small matrices.

The product is written as LLVM instructions: a tile of 6 rows and 16 columns of the result stays in vector registers while the sum over
k runs. From 2 x 16 to some hundred rows and columns that is as fast as BLAS or faster, since nothing is packed, called or dispatched.
Each entry is summed in the order of k, with fused multiply-add where the processor has it.
"""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__all__ = ["parts"]

TILE = 6, 16  # rows; columns of float32, half as many of float64: 12 of the 16 vector registers of AVX2 hold sums


@functools.cache
def parts() -> Any:
    """The functions that a kernel's source imports. Needs numba.

    row()   nothing, where the inner of two loops is to be the one of vectors
    memory(address)   a pointer to memory that is reached through no other such pointer
    float32(memory, offset), ...   a pointer to the entry `offset` of an array there, to be indexed
    product(c, c_0, a, a_0, b, b_0, (M, K, N, a_m, a_k, b_k, c_m))   c[m, n] = sum over k of a[m, k] b[k, n], in arrays that begin at the
        entries c_0, a_0, b_0 and have these strides, in entries; those of n are 1. Call it with equal numbers again: it is compiled once
    dot(a, a_0, b, b_0, n), total(a, a_0, n)   sums over n neighbours in float64, in 16 interleaved parts
    """
    from numba import types
    from numba.extending import intrinsic

    kinds = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    pointers = {kind: _pointer(intrinsic, types, getattr(types, kind)) for kind in kinds}
    others = {"memory": _memory, "row": _row, "product": _product, "dot": _dot, "total": _total}
    return SimpleNamespace(**pointers, **{name: make(intrinsic, types) for name, make in others.items()})


def _memory(intrinsic: Any, types: Any) -> Any:
    """The result is said to alias no other pointer, as malloc's does: without it LLVM makes no vectors of a loop over two arrays.

    And it is shown to an empty line of assembly, so that LLVM does not take the memory for one that nobody else will read.
    """
    def memory(context: Any, address: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            from llvmlite import ir

            byte = ir.IntType(8).as_pointer()
            module, name = builder.module, "memory"
            function = module.globals.get(name)
            if function is None:
                function = ir.Function(module, ir.FunctionType(byte, [ir.IntType(64)]), name)
                function.linkage = "internal"
                function.attributes.add("noinline")  # inside its caller it would be a plain address again
                function.return_value.add_attribute("noalias")
                inside = ir.IRBuilder(function.append_basic_block())
                inside.ret(inside.inttoptr(function.args[0], byte))
            made = builder.call(function, args)
            builder.asm(ir.FunctionType(ir.VoidType(), [byte]), "", "r", [made], True)
            return made

        return types.CPointer(types.uint8)(types.int64), code

    return intrinsic(memory)


def _row(intrinsic: Any, types: Any) -> Any:
    """An empty line of assembly, which keeps LLVM from making vectors across an outer loop: gathers, 4 times as slow as the inner one."""
    def row(context: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            from llvmlite import ir

            builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
            return context.get_dummy_value()

        return types.none(), code

    return intrinsic(row)


def _pointer(intrinsic: Any, types: Any, kind: Any) -> Any:
    def at(context: Any, memory: Any, offset: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = builder.bitcast(args[0], context.get_data_type(kind).as_pointer())
            return builder.gep(start, [args[1]])

        return types.CPointer(kind)(types.CPointer(types.uint8), types.int64), code

    return intrinsic(at)


def _product(intrinsic: Any, types: Any) -> Any:
    def product(context: Any, c: Any, c_0: Any, a: Any, a_0: Any, b: Any, b_0: Any, form: Any) -> Any:
        sizes = [part.literal_value for part in form]

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.call(_product_function(builder.module, args[0].type, sizes), [builder.gep(args[i], [args[i + 1]]) for i in (0, 2, 4)])
            return context.get_dummy_value()

        return types.none(c, types.int64, a, types.int64, b, types.int64, form), code

    return intrinsic(prefer_literal=True)(product)


def _product_function(module: Any, pointer: Any, sizes: list[int]) -> Any:
    """The function of three pointers, in the module that is being compiled, for products of these sizes and strides."""
    from llvmlite import ir

    name = "_".join(["product", str(pointer.pointee), *[str(n).replace("-", "m") for n in sizes]])
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer] * 3), name)
    function.linkage = "internal"
    for argument in function.args:
        argument.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block())
    _Product(builder, *function.args, *sizes).write()
    builder.ret_void()
    return function


class _Emit:
    """Shorthands around an llvmlite builder."""

    def __init__(self, builder: Any) -> None:
        from llvmlite import ir

        self.ir, self.b = ir, builder
        self.i64 = ir.IntType(64)

    def loop(self, count: Any, step: int, starts: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """for i = 0, step, ... < count (at least one): carried values = body(i, carried values). Returns them."""
        b, before = self.b, self.b.block
        head, done = b.append_basic_block("loop"), b.append_basic_block("done")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(self.i64)
        i.add_incoming(self.i64(0), before)
        carried = [b.phi(start.type) for start in starts]
        new = body(i, carried)
        following = b.add(i, self.i64(step), flags=("nuw", "nsw"))
        for phi, start, value in zip([i, *carried], [self.i64(0), *starts], [following, *new], strict=True):
            if phi is not i:
                phi.add_incoming(start, before)
            phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following, count if hasattr(count, "type") else self.i64(count)), head, done)
        b.position_at_end(done)
        return new

    def vector(self, base: Any, lanes: int) -> Any:
        return self.ir.VectorType(base, lanes) if lanes > 1 else base

    def zero(self, kind: Any) -> Any:
        return self.ir.Constant(kind, [kind.element(0.0)] * kind.count if hasattr(kind, "count") else 0.0)

    def load(self, pointer: Any, kind: Any, index: Any) -> Any:
        base = pointer.type.pointee
        at = self.b.gep(pointer, [index])
        return self.b.load(self.b.bitcast(at, kind.as_pointer()), align=4 if isinstance(base, self.ir.FloatType) else 8)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        base = pointer.type.pointee
        at = self.b.bitcast(self.b.gep(pointer, [index]), value.type.as_pointer())
        self.b.store(value, at, align=4 if isinstance(base, self.ir.FloatType) else 8)

    def spread(self, scalar: Any, lanes: int) -> Any:
        if lanes == 1:
            return scalar
        kind, i32 = self.vector(scalar.type, lanes), self.ir.IntType(32)
        nothing = self.ir.Constant(kind, self.ir.Undefined)
        first = self.b.insert_element(nothing, scalar, i32(0))
        return self.b.shuffle_vector(first, nothing, self.ir.Constant(self.ir.VectorType(i32, lanes), [i32(0)] * lanes))

    def multiply_add(self, total: Any, x: Any, y: Any) -> Any:
        return self.b.fadd(total, self.b.fmul(x, y, flags=("contract",)), flags=("contract",))


class _Product(_Emit):
    def __init__(self, builder: Any, c: Any, a: Any, b: Any, m: int, k: int, n: int, a_m: int, a_k: int, b_k: int, c_m: int) -> None:
        super().__init__(builder)
        self.pointers = c, a, b
        self.m, self.k, self.n = m, k, n
        self.strides = a_m, a_k, b_k, c_m
        self.base = c.type.pointee
        self.rows = TILE[0] if n > 1 else 8

    def write(self) -> None:
        columns = list(self.columns())
        if self.m <= self.n:  # the smaller operand is read again and again, and stays in the cache
            for first, count, lanes in columns:
                self.over(count, lanes, first, lambda n, lanes=lanes: self.down(n, lanes))  # type: ignore[misc]
        else:
            full = self.m // self.rows * self.rows
            for first, count, rows in ((0, full // self.rows, self.rows), (full, int(full < self.m), self.m - full)):
                self.over(count, rows, first, lambda m, rows=rows: self.across(m, rows, columns))  # type: ignore[misc]

    def columns(self) -> Any:
        """(first column, number of tiles, width) in widths that are powers of 2."""
        n, lanes = 0, TILE[1] if isinstance(self.base, self.ir.FloatType) else TILE[1] // 2
        while n < self.n:
            while lanes > self.n - n:
                lanes //= 2
            count = (self.n - n) // lanes
            yield n, count, lanes
            n += count * lanes

    def over(self, count: int, width: int, first: int, body: Callable[[Any], None]) -> None:
        """body(place) at first, first + width, ...: `count` of them."""
        def one(i: Any, carried: list[Any]) -> list[Any]:
            body(self.b.add(i, self.i64(first)))
            return []

        if count:
            self.loop(count * width, width, [], one)

    def down(self, n: Any, lanes: int) -> None:
        full = self.m // self.rows * self.rows
        self.over(full // self.rows, self.rows, 0, lambda m: self.tile(m, self.rows, n, lanes))
        self.over(int(full < self.m), self.m - full, full, lambda m: self.tile(m, self.m - full, n, lanes))

    def across(self, m: Any, rows: int, columns: Any) -> None:
        for first, count, lanes in columns:
            self.over(count, lanes, first, lambda n, lanes=lanes: self.tile(m, rows, n, lanes))  # type: ignore[misc]

    def tile(self, m: Any, rows: int, n: Any, lanes: int) -> None:
        c, a, b = self.pointers
        a_m, a_k, b_k, c_m = self.strides
        kind = self.vector(self.base, lanes)
        row = [self.b.add(m, self.i64(r)) for r in range(rows)]

        def step(k: Any, sums: list[Any]) -> list[Any]:
            right = self.load(b, kind, self.b.add(self.b.mul(k, self.i64(b_k)), n))
            along = self.b.mul(k, self.i64(a_k))
            left = [self.load(a, self.base, self.b.add(self.b.mul(r, self.i64(a_m)), along)) for r in row]
            return [self.multiply_add(total, self.spread(x, lanes), right) for x, total in zip(left, sums, strict=True)]

        sums = self.loop(self.k, 1, [self.zero(kind)] * rows, step)
        for r, total in zip(row, sums, strict=True):
            self.store(total, c, self.b.add(self.b.mul(r, self.i64(c_m)), n))


def _total(intrinsic: Any, types: Any) -> Any:
    def total(context: Any, a: Any, a_0: Any, n: Any) -> Any:
        count = n.literal_value

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit, start = _Emit(builder), builder.gep(args[0], [args[1]])
            return _sum(emit, count, lambda i, lanes: _wide(emit, start, i, lanes), None)

        return types.float64(a, types.int64, n), code

    return intrinsic(prefer_literal=True)(total)


def _dot(intrinsic: Any, types: Any) -> Any:
    def dot(context: Any, a: Any, a_0: Any, b: Any, b_0: Any, n: Any) -> Any:
        count = n.literal_value

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit, x, y = _Emit(builder), builder.gep(args[0], [args[1]]), builder.gep(args[2], [args[3]])
            return _sum(emit, count, lambda i, lanes: _wide(emit, x, i, lanes), lambda i, lanes: _wide(emit, y, i, lanes))

        return types.float64(a, types.int64, b, types.int64, n), code

    return intrinsic(prefer_literal=True)(dot)


def _wide(emit: _Emit, pointer: Any, i: Any, lanes: int) -> Any:
    """Neighbours from entry i on, in float64."""
    base, double = pointer.type.pointee, emit.ir.DoubleType()
    value = emit.load(pointer, emit.vector(base, lanes), i)
    return value if base == double else emit.b.fpext(value, emit.vector(double, lanes))


def _sum(emit: _Emit, count: int, x: Callable[[Any, int], Any], y: Callable[[Any, int], Any] | None, lanes: int = 16) -> Any:
    b, double, full = emit.b, emit.ir.DoubleType(), count // lanes * lanes

    def add(total: Any, i: Any, width: int) -> Any:
        return emit.multiply_add(total, x(i, width), y(i, width)) if y is not None else b.fadd(total, x(i, width))

    total = double(0.0)
    if full:
        sums = emit.loop(full, lanes, [emit.zero(emit.vector(double, lanes))], lambda i, carried: [add(carried[0], i, lanes)])[0]
        half = lanes
        while half > 1:  # add the upper half to the lower one, until one number is left
            half //= 2
            i32 = emit.ir.IntType(32)
            pick = [emit.ir.Constant(emit.ir.VectorType(i32, half), [i32(j + side * half) for j in range(half)]) for side in (0, 1)]
            sums = b.fadd(b.shuffle_vector(sums, sums, pick[0]), b.shuffle_vector(sums, sums, pick[1]))
        total = b.extract_element(sums, emit.ir.IntType(32)(0))
    if count > full:
        total = emit.loop(count - full, 1, [total], lambda i, carried: [add(carried[0], b.add(i, emit.i64(full)), 1)])[0]
    return total
