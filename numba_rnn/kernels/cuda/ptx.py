"""Single PTX instructions as device functions: what `cuda.jit` has no words for.

Arrays are addressed by `address` (64 bits, global memory) and `shared_address` (32 bits, shared memory):
adding a number adds bytes.
Source: NVIDIA, "Parallel Thread Execution ISA", 9.0, whose names these are.
"""

import inspect

from numba_rnn.kernels.cuda.toolkit import TypingError, cgutils, intrinsic, ir, types

__all__ = [
    "address", "advance", "barrier_expect", "barrier_init", "barrier_reached", "bits_of", "cluster_arrive", "cluster_rank",
    "cluster_size", "cluster_wait", "cooperative", "exp2", "fence_barriers", "float_of", "load2_float64_shared", "load4",
    "load4_relaxed", "load4_shared", "load_byte", "load_float32", "load_float64", "load_relaxed", "map_shared", "mma_bf16",
    "mma_tf32", "once32", "once64", "pack_bf16", "read_float32", "read_float64", "reciprocal", "shared_address", "store4_remote",
    "store4_shared", "store_float32", "store_float32_shared", "store_float64", "store_float64_shared", "store_relaxed", "to_tf32",
]  # fmt: skip

F32, F64, I32, U32, U64 = types.float32, types.float64, types.int32, types.uint32, types.uint64
LLVM = {F32: ir.FloatType(), F64: ir.DoubleType(), I32: ir.IntType(32), U32: ir.IntType(32), U64: ir.IntType(64)}
LETTERS = {F32: "f", F64: "d", I32: "r", U32: "r", U64: "l"}  # of an operand's constraint


def instruction(ptx, returns, takes, *, effect=False, memory=False, convergent=False):
    """A device function that is one PTX statement; several results come back as a tuple.

    Args:
        ptx: the statement; $0, $1, ... are the results, then the arguments.
        returns, takes: their types.
        effect: never removed, though nobody may use what it returns.
        memory: no load or store is moved across it.
        convergent: never moved into a branch, as everything that says `.sync` or `.aligned` needs.
    """
    constraints = ["=" + LETTERS[t] for t in returns] + [LETTERS[t] for t in takes] + ["~{memory}"] * memory
    if not returns:
        result, llvm = types.void, ir.VoidType()
    elif len(returns) == 1:
        result, llvm = returns[0], LLVM[returns[0]]
    else:
        result, llvm = types.UniTuple(returns[0], len(returns)), ir.LiteralStructType([LLVM[t] for t in returns])
    function_type = ir.FunctionType(llvm, [LLVM[t] for t in takes])

    def generate(context, builder, signature, values):
        values = [context.cast(builder, v, t, a) for v, t, a in zip(values, signature.args, takes, strict=True)]
        out = builder.asm(function_type, ptx, ",".join(constraints), values, effect or memory)
        if convergent:
            out.attributes.add("convergent")
        if not returns:
            return context.get_dummy_value()
        if len(returns) == 1:
            return out
        return cgutils.pack_array(builder, [builder.extract_value(out, i) for i in range(len(returns))])

    def typed(typing_context, *arguments):
        return result(*takes), generate

    names = ["typing_context", *(f"a{i}" for i in range(len(takes)))]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    typed.__signature__ = inspect.Signature(parameters)
    return intrinsic(typed)


def _pointer(context, builder, signature, arguments):
    array, index = arguments
    kind = signature.args[1]
    if isinstance(kind, types.BaseTuple):
        indices = [(builder.extract_value(index, i), kind[i]) for i in range(len(kind))]
    else:
        indices = [(index, kind)]
    indices = [context.cast(builder, v, t, types.intp) for v, t in indices]
    made = context.make_array(signature.args[0])(context, builder, array)
    pointer = cgutils.get_item_pointer(
        context, builder, signature.args[0], made, indices, wraparound=False, boundscheck=False
    )
    return builder.ptrtoint(pointer, LLVM[U64])


@intrinsic
def address(typing_context, array, index):
    """Where array[index] lies in global memory."""
    return types.uint64(array, index), _pointer


@intrinsic
def shared_address(typing_context, array, index):
    """Where array[index] lies in the block's shared memory."""

    def generate(context, builder, signature, arguments):
        generic = _pointer(context, builder, signature, arguments)
        convert = "{ .reg .u64 t; cvta.to.shared.u64 t, $1; cvt.u32.u64 $0, t; }"
        return builder.asm(ir.FunctionType(LLVM[U32], [LLVM[U64]]), convert, "=r,l", [generic], False)

    return types.uint32(array, index), generate


# Numbers. The approximations err by 2^-22 (PTX ISA, sections ex2, rcp).
exp2 = instruction("ex2.approx.ftz.f32 $0, $1;", [F32], [F32])
reciprocal = instruction("rcp.approx.ftz.f32 $0, $1;", [F32], [F32])
bits_of = instruction("mov.b32 $0, $1;", [U32], [F32])
float_of = instruction("mov.b32 $0, $1;", [F32], [U32])
to_tf32 = instruction("cvt.rna.tf32.f32 $0, $1;", [U32], [F32])
pack_bf16 = instruction("cvt.rn.bf16x2.f32 $0, $1, $2;", [U32], [F32, F32])  # (high, low)

# Tensor cores: d (16, 8) = a b + c, spread over a warp's lanes; a (16, 8) and b (8, 8) in tf32, (16, 16) and (16, 8) in bf16.
_MMA = "{$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};"
mma_tf32 = instruction(
    "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 " + _MMA, [F32] * 4, [U32] * 6 + [F32] * 4, effect=True, convergent=True
)  # fmt: skip
mma_bf16 = instruction(
    "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 " + _MMA, [F32] * 4, [U32] * 6 + [F32] * 4, effect=True, convergent=True
)  # fmt: skip

# Where something stands after `count` strides, of bytes and perhaps negative: (count, stride, address).
advance = instruction("mad.wide.s32 $0, $1, $2, $3;", [U64], [I32, I32, U64])

# What the compiler shall compute once and not again wherever it is used.
once32 = instruction("mov.b32 $0, $1;", [I32], [I32], effect=True)
once64 = instruction("mov.b64 $0, $1;", [U64], [U64], effect=True)

# One number. Loads from global memory go through the read-only cache: of what nobody writes while the kernel runs.
load_byte = instruction("ld.global.nc.u8 $0, [$1];", [U32], [U64])
load_float32 = instruction("ld.global.nc.f32 $0, [$1];", [F32], [U64])
load_float64 = instruction("ld.global.nc.f64 $0, [$1];", [F64], [U64])
read_float32 = instruction("ld.global.f32 $0, [$1];", [F32], [U64], memory=True)  # of what this block writes
read_float64 = instruction("ld.global.f64 $0, [$1];", [F64], [U64], memory=True)
store_float32 = instruction("st.global.f32 [$0], $1;", [], [U64, F32], memory=True)
store_float64 = instruction("st.global.f64 [$0], $1;", [], [U64, F64], memory=True)
store_float32_shared = instruction("st.shared.f32 [$0], $1;", [], [U32, F32], memory=True)
store_float64_shared = instruction("st.shared.f64 [$0], $1;", [], [U32, F64], memory=True)

# Four words at once, 16-byte aligned; `load4` through the read-only cache: of what nobody writes while the kernel runs.
load4 = instruction("ld.global.nc.v4.f32 {$0,$1,$2,$3}, [$4];", [F32] * 4, [U64])
load4_shared = instruction("ld.shared.v4.f32 {$0,$1,$2,$3}, [$4];", [F32] * 4, [U32], memory=True)
load2_float64_shared = instruction("ld.shared.v2.f64 {$0,$1}, [$2];", [F64] * 2, [U32], memory=True)
store4_shared = instruction("st.shared.v4.f32 [$0], {$1,$2,$3,$4};", [], [U32] + [F32] * 4, memory=True)

# Words that another block writes while this one waits for them. Relaxed: each word is whole, nothing is said about any other.
load_relaxed = instruction("ld.relaxed.gpu.global.u32 $0, [$1];", [U32], [U64], memory=True)
load4_relaxed = instruction("ld.relaxed.gpu.global.v4.u32 {$0,$1,$2,$3}, [$4];", [U32] * 4, [U64], memory=True)
store_relaxed = instruction("st.relaxed.gpu.global.u32 [$0], $1;", [], [U64, U32], memory=True)

# Clusters: blocks that reach one another's shared memory (sm_90).
cluster_rank = instruction("mov.u32 $0, %cluster_ctarank;", [U32], [])
cluster_arrive = instruction("barrier.cluster.arrive.release.aligned;", [], [], memory=True, convergent=True)
cluster_wait = instruction("barrier.cluster.wait.acquire.aligned;", [], [], memory=True, convergent=True)
map_shared = instruction("mapa.shared::cluster.u32 $0, $1, $2;", [U32], [U32, U32])  # an address, as that block has it
# Barriers in shared memory that count bytes: a store into another block's memory tells that block's barrier.
barrier_init = instruction("mbarrier.init.shared::cta.b64 [$0], $1;", [], [U32, U32], memory=True)
barrier_expect = instruction("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", [], [U32, U32], memory=True)
barrier_reached = instruction(  # (barrier, parity): 1 once the phase of that parity is over
    "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [$1], $2; selp.u32 $0, 1, 0, p; }", [U32], [U32, U32], memory=True
)  # fmt: skip
fence_barriers = instruction("fence.mbarrier_init.release.cluster;", [], [], memory=True)
store4_remote = instruction(  # (where, barrier, 4 words), both addresses from `map_shared`
    "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [$0], {$2,$3,$4,$5}, [$1];", [], [U32] * 2 + [F32] * 4,
    memory=True,
)  # fmt: skip


@intrinsic
def cooperative(typing_context):
    """In a kernel: launch it cooperatively, all blocks at once or not at all; `cg.this_grid` is a call, which spills registers."""

    def generate(context, builder, signature, arguments):
        context.active_code_library.use_cooperative = True
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def cluster_size(typing_context, blocks):
    """In a kernel: its blocks form clusters of so many, a literal number."""
    if not isinstance(blocks, types.IntegerLiteral):
        raise TypingError("cluster_size needs a literal number")
    count = blocks.literal_value

    def generate(context, builder, signature, arguments):
        annotations = cgutils.get_or_insert_named_metadata(builder.module, "nvvm.annotations")
        for key, value in (("cluster_dim_x", count), ("cluster_dim_y", 1), ("cluster_dim_z", 1)):
            entry = (builder.function, ir.MetaDataString(builder.module, key), ir.Constant(ir.IntType(32), value))
            annotations.add(builder.module.add_metadata(entry))
        return context.get_dummy_value()

    return types.void(blocks), generate
