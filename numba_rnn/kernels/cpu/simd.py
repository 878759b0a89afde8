"""A SIMD vector as a Numba value type: arithmetic, comparison, loads, stores. With `tile`, `stored`, `dot`, all that knows LLVM.

`Vector(float32, 8)` holds eight float32. `+ - * /`, unary `-` and `< <= > >=` work between vectors and between a vector and a
number; a comparison gives a `Mask` for `where`. Kernels then read as plain Python and compile to the instructions meant. No
fast-math flag is set anywhere: NaN in gives NaN out, and a sum is evaluated in the order in which it is written.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

__all__ = [
    "Mask", "Vector", "copysign", "fabs", "fma", "load_square", "load_tuple", "pointer", "polynomial", "pow2", "rint", "select",
    "splat", "sqrt", "store", "store_square", "store_tail", "transpose", "vector_load", "vector_store", "where",
]  # fmt: skip

I1, I32 = ir.IntType(1), ir.IntType(32)
# 1.5 * 2^(mantissa bits) puts a whole number into the low mantissa bits; with it: mantissa bits, exponent bias.
LAYOUT = {types.float32: (23, 127), types.float64: (52, 1023)}


class Vector(types.Type):
    """`lanes` floats in one register."""

    def __init__(self, element, lanes):
        self.element, self.lanes = element, lanes
        super().__init__(name=f"{element}x{lanes}")


class Mask(types.Type):
    """One truth value a lane, the result of a comparison."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(name=f"mask{lanes}")


def llvm_type(vec):
    """The LLVM vector type of a `Vector`."""
    element = ir.FloatType() if vec.element == types.float32 else ir.DoubleType()
    return ir.VectorType(element, vec.lanes)


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """How Numba holds a `Vector`: one LLVM value."""

    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, llvm_type(fe_type))


@register_model(Mask)
class MaskModel(models.PrimitiveModel):
    """How Numba holds a `Mask`: one LLVM value."""

    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(I1, fe_type.lanes))


def broadcast(b, scalar, lanes):
    """A vector with `scalar` in every lane."""
    vt = ir.VectorType(scalar.type, lanes)
    undef = ir.Constant(vt, ir.Undefined)
    one = b.insert_element(undef, scalar, I32(0))
    return b.shuffle_vector(one, undef, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def pointer(ctx, b, array_type, array, i):
    """The address of flat element `i` of a C-contiguous array of any rank."""
    return b.gep(ctx.make_array(array_type)(ctx, b, array).data, [i])


def _alignment(vt):
    """Bytes of an element."""
    whole = isinstance(vt.element, ir.IntType)
    return vt.element.width // 8 if whole else 4 if isinstance(vt.element, ir.FloatType) else 8


def vector_load(b, p, vt):
    """The vector at `p`, which need not be aligned beyond its element."""
    v = b.load(b.bitcast(p, vt.as_pointer()))
    v.align = _alignment(vt)
    return v


def vector_store(b, v, p):
    """Store `v` at `p`, which need not be aligned beyond its element."""
    b.store(v, b.bitcast(p, v.type.as_pointer())).align = _alignment(v.type)


def _lift(ctx, b, value, ty, vec):
    """A vector from a vector or a number."""
    return value if isinstance(ty, Vector) else broadcast(b, ctx.cast(b, value, ty, vec.element), vec.lanes)


def _vector_of(args):
    """The `Vector` among argument types when the others are numbers or the same `Vector`, else None."""
    vecs = {a for a in args if isinstance(a, Vector)}
    rest = [a for a in args if not isinstance(a, Vector)]
    fits = len(vecs) == 1 and all(isinstance(a, (types.Float, types.Integer)) for a in rest)
    return vecs.pop() if fits else None


def _binary(op, result, emit):
    @infer_global(op)
    class VectorTemplate(AbstractTemplate):
        key = op

        def generic(self, args, kws):
            vec = _vector_of(args)
            return None if vec is None or len(args) != 2 or kws else signature(result(vec), *args)

    for left, right in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):

        @lower_builtin(op, left, right)
        def lower(ctx, b, sig, args):
            vec = _vector_of(sig.args)
            return emit(b, *(_lift(ctx, b, v, t, vec) for v, t in zip(args, sig.args, strict=True)))


for _op, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _binary(_op, lambda vec: vec, lambda b, x, y, _name=_name: getattr(b, _name)(x, y))
for _op, _sign in ((operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">=")):
    _binary(_op, lambda vec: Mask(vec.lanes), lambda b, x, y, _sign=_sign: b.fcmp_ordered(_sign, x, y))


@infer_global(operator.neg)
class NegTemplate(AbstractTemplate):
    """Types `-v`."""

    key = operator.neg

    def generic(self, args, kws):
        """`-v` has the type of `v`."""
        return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], Vector) else None


@lower_builtin(operator.neg, Vector)
def _neg(ctx, b, sig, args):
    return b.fneg(args[0])


def _call(b, name, *args):
    """LLVM's intrinsic `name` for vectors, or None of them."""
    vt = args[0].type
    suffix = f"v{vt.count}f{32 if isinstance(vt.element, ir.FloatType) else 64}"
    fn = cgutils.get_or_insert_function(b.module, ir.FunctionType(vt, [vt] * len(args)), f"llvm.{name}.{suffix}")
    return b.call(fn, args)


def _intrinsic(name, n):
    """Numba's form of an LLVM intrinsic over `n` vectors; numbers are broadcast."""

    def lower(ctx, b, sig, args):
        vec = sig.return_type
        return _call(b, name, *(_lift(ctx, b, v, t, vec) for v, t in zip(args, sig.args, strict=True)))

    def typed(*args):
        vec = _vector_of(args)
        return None if vec is None else (vec(*args), lower)

    if n == 1:
        return intrinsic(lambda tyctx, a: typed(a))
    return intrinsic(lambda tyctx, a, b: typed(a, b)) if n == 2 else intrinsic(lambda tyctx, a, b, c: typed(a, b, c))


fma = _intrinsic("fma", 3)
sqrt = _intrinsic("sqrt", 1)
rint = _intrinsic("nearbyint", 1)
fabs = _intrinsic("fabs", 1)
copysign = _intrinsic("copysign", 2)


@intrinsic
def where(tyctx, mask, a, b):
    """`a` where the mask holds, else `b`; at least one of them is a vector."""
    vec = _vector_of((a, b))

    def lower(ctx, builder, sig, args):
        x, y = (_lift(ctx, builder, v, t, vec) for v, t in zip(args[1:], sig.args[1:], strict=True))
        return builder.select(args[0], x, y)

    return None if vec is None or not isinstance(mask, Mask) else (vec(mask, a, b), lower)


@intrinsic
def splat(tyctx, x, like):
    """The number `x` in every lane of a vector of `like`'s type."""
    if not isinstance(like, Vector):
        return None
    return like(x, like), lambda ctx, b, sig, args: _lift(ctx, b, args[0], sig.args[0], like)


@intrinsic(prefer_literal=True)
def pow2(tyctx, n, bias):
    """2**(n + bias), n a vector of whole numbers, bias a literal, n + bias within the exponents of normal numbers."""
    if not isinstance(n, Vector) or not isinstance(bias, types.IntegerLiteral):
        return None
    mantissa, offset = LAYOUT[n.element]

    def lower(ctx, b, sig, args):
        vt = args[0].type
        bits = ir.VectorType(ir.IntType(n.element.bitwidth), n.lanes)
        magic = ir.Constant(vt, [1.5 * 2.0**mantissa + offset + bias.literal_value] * n.lanes)
        whole = b.bitcast(b.fadd(args[0], magic), bits)  # the exponent in the low bits
        return b.bitcast(b.shl(whole, ir.Constant(bits, [mantissa] * n.lanes)), vt)

    return n(n, bias), lower


def polynomial(float32, float64=None):
    """An intrinsic that evaluates a polynomial by Horner's rule, one fma each; they come by rising power, a set a dtype."""
    sets = {types.float32: float32, types.float64: float64 or float32}

    @intrinsic
    def horner(tyctx, x):
        if not isinstance(x, Vector):
            return None

        def lower(ctx, b, sig, args):
            *rest, total = (ir.Constant(args[0].type, [c] * x.lanes) for c in sets[x.element])
            for c in reversed(rest):
                total = _call(b, "fma", total, args[0], c)
            return total

        return x(x), lower

    return horner


@intrinsic(prefer_literal=True)
def load_tuple(tyctx, lanes, count, a, i):
    """`count` neighbouring vectors from flat element `i` of `a`; lanes and count are literals, count may be 0."""
    vec, n = Vector(a.dtype, lanes.literal_value), count.literal_value
    ret = types.UniTuple(vec, n)

    def lower(ctx, b, sig, args):
        p = pointer(ctx, b, a, args[2], args[3])
        return ctx.make_tuple(
            b, ret, [vector_load(b, b.gep(p, [args[3].type(q * vec.lanes)]), llvm_type(vec)) for q in range(n)]
        )

    return ret(lanes, count, a, types.intp), lower


def _first_lanes(b, count, lanes):
    """The mask of the first `count` of so many lanes."""
    lane = ir.Constant(ir.VectorType(count.type, lanes), list(range(lanes)))
    return b.icmp_signed("<", lane, broadcast(b, count, lanes))


def _masked(b, name, vt, result, parameters, args):
    """LLVM's masked load or store of vectors `vt`."""
    suffix = f"v{vt.count}f{32 if isinstance(vt.element, ir.FloatType) else 64}.p0"
    ty = ir.FunctionType(result, parameters)
    return b.call(cgutils.get_or_insert_function(b.module, ty, f"llvm.masked.{name}.{suffix}"), args)


def _masked_store(b, v, p, keep):
    """Store the lanes of `v` that the mask keeps."""
    vp, align = v.type.as_pointer(), I32(4 if isinstance(v.type.element, ir.FloatType) else 8)
    _masked(b, "store", v.type, ir.VoidType(), [v.type, vp, I32, keep.type], [v, b.bitcast(p, vp), align, keep])


def _masked_load(b, vt, p, keep):
    """Load the lanes that the mask keeps, zeros for the others."""
    vp, align, zeros = vt.as_pointer(), I32(4 if isinstance(vt.element, ir.FloatType) else 8), ir.Constant(vt, None)
    return _masked(b, "load", vt, vt, [vp, I32, keep.type, vt], [b.bitcast(p, vp), align, keep, zeros])


@intrinsic
def store(tyctx, a, i, v, count):
    """Store the first `count` lanes of `v` at flat element `i` of `a`; nothing else is touched."""

    def lower(ctx, b, sig, args):
        _, _, value, n = args
        p = pointer(ctx, b, a, args[0], args[1])
        with b.if_else(b.icmp_signed(">=", n, n.type(v.lanes)), likely=True) as (whole, part):
            with whole:
                vector_store(b, value, p)
            with part:
                _masked_store(b, value, p, _first_lanes(b, n, v.lanes))
        return ctx.get_dummy_value()

    return types.void(a, types.intp, v, types.intp), lower


@intrinsic
def store_tail(tyctx, a, i, vectors):
    """Store all but the first of a tuple of vectors side by side from flat element `i` of `a`."""

    def lower(ctx, b, sig, args):
        p = pointer(ctx, b, a, args[0], args[1])
        for q, v in enumerate(cgutils.unpack_tuple(b, args[2])[1:]):
            vector_store(b, v, b.gep(p, [args[1].type(q * v.type.count)]))
        return ctx.get_dummy_value()

    return types.void(a, types.intp, vectors), lower


@intrinsic
def select(tyctx, mask, a, b):
    """Vector by vector of two tuples, `a`'s where the mask holds, else `b`'s."""

    def lower(ctx, builder, sig, args):
        keep, yes, no = args[0], cgutils.unpack_tuple(builder, args[1]), cgutils.unpack_tuple(builder, args[2])
        return ctx.make_tuple(builder, a, [builder.select(keep, x, y) for x, y in zip(yes, no, strict=True)])

    return None if a != b else (a(mask, a, b), lower)


@intrinsic(prefer_literal=True)
def load_square(tyctx, lanes, a, i, stride, rows, count):
    """As many vectors as one has lanes, `stride` apart from flat element `i` of `a`, the first `count` numbers of each.

    Zeros take the place of the other numbers, the last of `rows` that of the vectors after it.
    """
    vec = Vector(a.dtype, lanes.literal_value)
    ret = types.UniTuple(vec, vec.lanes)

    def lower(ctx, b, sig, args):
        _, a_, i_, step, rows_, n = args
        p = pointer(ctx, b, a, a_, i_)
        last, vt = b.sub(rows_, n.type(1)), llvm_type(vec)
        at = [
            b.gep(p, [b.mul(step, b.select(b.icmp_signed("<", n.type(q), last), n.type(q), last))])
            for q in range(vec.lanes)
        ]
        with b.if_else(b.icmp_signed(">=", n, n.type(vec.lanes)), likely=True) as (whole, part):
            with whole:
                plain, here = [vector_load(b, q, vt) for q in at], b.block
            with part:
                keep = _first_lanes(b, n, vec.lanes)
                cut, there = [_masked_load(b, vt, q, keep) for q in at], b.block
        merged = []
        for v, w in zip(plain, cut, strict=True):
            either = b.phi(vt)
            either.add_incoming(v, here)
            either.add_incoming(w, there)
            merged.append(either)
        return ctx.make_tuple(b, ret, merged)

    return ret(lanes, a, types.intp, types.intp, types.intp, types.intp), lower


@intrinsic
def store_square(tyctx, a, i, stride, vectors, rows, count):
    """Store the first `count` lanes of each of the first `rows` vectors, `stride` apart from flat element `i` of `a`."""
    lanes = vectors.dtype.lanes

    def lower(ctx, b, sig, args):
        a_, i_, step, vectors_, rows_, n = args
        p, values = pointer(ctx, b, a, a_, i_), cgutils.unpack_tuple(b, vectors_)
        every = b.and_(b.icmp_signed(">=", n, n.type(lanes)), b.icmp_signed(">=", rows_, n.type(lanes)))
        at = [b.gep(p, [b.mul(step, n.type(q))]) for q in range(lanes)]
        with b.if_else(every, likely=True) as (whole, part):
            with whole:
                for v, q in zip(values, at, strict=True):
                    vector_store(b, v, q)
            with part:
                keep = _first_lanes(b, n, lanes)
                for m, (v, q) in enumerate(zip(values, at, strict=True)):
                    with b.if_then(b.icmp_signed("<", n.type(m), rows_)):
                        _masked_store(b, v, q, keep)
        return ctx.get_dummy_value()

    return types.void(a, types.intp, types.intp, vectors, types.intp, types.intp), lower


@intrinsic
def transpose(tyctx, vectors):
    """As many vectors as each has lanes: lane i of the j-th becomes lane j of the i-th.

    Squares of half the size change places across the diagonal, then those of half that size within each, and so on.
    """
    lanes = vectors.dtype.lanes

    def lower(ctx, b, sig, args):
        rows, size = cgutils.unpack_tuple(b, args[0]), lanes // 2
        shuffle = lambda x, y, lane: b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, lanes), lane))  # noqa: E731
        while size:
            for i in (i for i in range(lanes) if not i & size):
                x, y = rows[i], rows[i | size]
                rows[i] = shuffle(x, y, [(n ^ size) + lanes if n & size else n for n in range(lanes)])
                rows[i | size] = shuffle(x, y, [n + lanes if n & size else n ^ size for n in range(lanes)])
            size //= 2
        return ctx.make_tuple(b, vectors, rows)

    return vectors(vectors), lower
