#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes small random nets of what ONNX Runtime's optimisers write of transformers, and of what they leave to its own operators.

    make_fused_nets.py FOLDER [NAME]

make_user_nets.py says what is written. NAME is KIND-SEED, of any seed; without it, the first SEEDS of each kind are. A kind is
a function here, its docstring what it shows: attributes, shapes and optional inputs are drawn. What ONNX Runtime runs on GPUs
alone is compared with its definition, spelled by standard operators.
"""
import sys
from functools import partial

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import make_user_nets
from make_export_nets import INPUT, begun, of_picture
from make_user_nets import NETS, Graph, Net, nchw, net, value

NETS.clear()  # those of the other files are not written here
SEEDS, TOKENS, KINDS = 12, 24, {}
OWN = {"domain": "com.microsoft"}
LOWEST = -3.4e38


def kind(function):
    KINDS[function.__name__] = function
    for seed in range(SEEDS):
        NETS[f"{function.__name__}-{seed}"] = partial(function, seed)
    return function


class Draw(Graph):
    """A graph begun with a small map of some channels; what is drawn for it is drawn from its seed."""

    def __init__(self, seed, channels=8):
        super().__init__(seed)
        self.drawn = np.random.default_rng(seed)
        x = self.node("Relu", self.conv(self.scaled("x"), 3, channels))
        self.map = self.node("MaxPool", x, kernel_shape=[4, 4], strides=[4, 4])
        self.tokens = self.node("Transpose", self.node("Reshape", self.map, self.ints(1, channels, -1)), perm=[0, 2, 1])

    def among(self, *choices):
        return choices[int(self.drawn.integers(len(choices)))]

    def chance(self, p=.5):
        return self.drawn.random() < p

    def integers(self, low, high, shape, dtype=np.int32):
        return self.const(self.drawn.integers(low, high, shape), dtype)

    def product(self, x, c_in, c_out):
        return self.node("MatMul", x, self.random(c_in, c_out))

    def last(self, x, start, end):
        """Part of a value [1,TOKENS,..]."""
        return self.node("Slice", x, self.ints(start), self.ints(end), self.ints(2))

    def own(self, op, inputs, outputs=1, **attributes):
        """An operator of com.microsoft; inputs that are absent at the end are left out. Always a list."""
        while not inputs[-1]:
            inputs = inputs[:-1]
        made = self.node(op, *inputs, outputs=outputs, **attributes, **OWN)
        return [made] if outputs == 1 else made

    def net(self, outputs, oracle=None, opset=13):
        model = self.model(INPUT, [value(o, None) for o in outputs], opset=opset, imports=["com.microsoft"])
        return Net(model, nchw(), oracle=oracle and oracle.model)


# ---- attention ---------------------------------------------------------------

def mask(g, forms, keys, past):
    """Which keys are seen, in one of the forms that a mask has. A query sees one of them at least."""
    form = g.among("none", "computed", *forms)
    if form == "none":
        return ""
    if form == "end":
        return g.const([g.drawn.integers(1, keys + 1)], np.int32)
    if form == "span":
        return g.const([g.drawn.integers(keys // 2 + 1, keys + 1), 0], np.int32)
    if form == "computed":
        seen = g.node("Greater", g.node("ReduceMean", g.tokens, axes=[2], keepdims=0), g.const(.2))
        seen = g.node("Cast", seen, to=TensorProto.INT32)
        return g.node("Concat", g.const(np.ones((1, past)), np.int32), seen, axis=1) if past else seen
    seen = g.drawn.random((1, keys) if form == "keys" else (1, TOKENS, keys)) < .7
    seen[..., 0] = True
    return g.const(seen, np.int32)


def attributes(g, heads, causal=True):
    given = {"num_heads": heads}
    if g.chance(.3):
        given["scale"] = .3
    if causal and g.chance(.3):
        given["unidirectional"] = 1
    if g.chance(.3):
        given["mask_filter_value"] = g.among(-5., LOWEST)
    return given


@kind
def attention(seed):
    """Attention by one matrix: masks of all forms, keys and values of before, which come out with the new ones."""
    g = Draw(seed)
    heads, past = g.among(1, 2, 4), g.among(0, 0, 3)
    given, width = attributes(g, heads), 24
    if not past and g.chance(.4):
        given["qkv_hidden_sizes"] = [8, 8, g.among(4, 8, 12)]
        width = sum(given["qkv_hidden_sizes"])
    keys = TOKENS + past
    added = g.random(1, g.among(1, heads), TOKENS, keys) if not past and g.chance(.4) else ""
    inputs = [g.tokens, g.random(8, width), g.random(width) if g.chance(.8) else "",
              mask(g, ("end", "span", "keys", "queries"), keys, past),
              g.random(2, 1, heads, past, 8 // heads) if past else "", added]
    return g.net(g.own("Attention", inputs, 2 if past else 1, **given))


@kind
def multi_head(seed):
    """Attention by three values, or by a query and what another part of the net has as heads already; keys, values and scores as outputs."""
    g = Draw(seed)
    heads, past, crossed = g.among(1, 2, 4), g.among(0, 0, 3), g.chance(.3)
    past = 0 if crossed else past
    width = 8 if past or crossed else g.among(8, 4, 12)
    keys = (g.among(5, TOKENS) if crossed else TOKENS) + past
    q = g.product(g.tokens, 8, 8)
    if crossed:
        k, v = g.random(1, heads, keys, 8 // heads), g.random(1, heads, keys, 8 // heads)
    else:
        k, v = g.product(g.tokens, 8, 8), g.product(g.tokens, 8, width)
    given = attributes(g, heads, causal=not crossed)
    inputs = [q, k, v, g.random(16 + width) if g.chance() else "",
              mask(g, ("end", "keys", "queries"), keys, past) if keys == TOKENS + past else "",
              g.random(1, g.among(1, heads), TOKENS, keys) if g.chance(.4) else ""]
    inputs += [g.random(1, heads, past, 8 // heads) for _ in range(2)] if past else []
    return g.net(g.own("MultiHeadAttention", inputs, g.among(4, 3 if past else 1), **given))


@kind
def packed_heads(seed):
    """Queries, keys and values, or keys and values alone, in one value, which ONNX Runtime takes on GPUs."""
    packed = 3 if seed % 2 else 2
    made = []
    for spelled in (False, True):
        g = Draw(seed)
        own = [g.product(g.tokens, 8, 8)] if packed == 2 else []
        all_of = g.node("Reshape", g.product(g.tokens, 8, 8 * packed), g.ints(1, TOKENS, 2, packed, 4))
        bias = g.random(24) if packed == 3 and g.chance() else ""
        inputs = own + [all_of] + [""] * (packed - 1)
        if spelled:
            inputs = own + [g.node("Reshape", g.node("Gather", all_of, g.const(i, np.int64), axis=3), g.ints(1, TOKENS, 8))
                            for i in range(packed)]
        made.append(g.net(g.own("MultiHeadAttention", inputs + [bias], num_heads=2)))
    made[0].oracle = made[1].model
    return made[0]


@kind
def turned(seed):
    """RotaryEmbedding of com.microsoft: its positions before its tables, from one number on or each by itself."""
    g = Draw(seed, 16)
    heads, four = g.among(1, 2, 4), g.chance()
    width, x = 16 // heads, g.tokens
    if four:
        x = g.node("Transpose", g.node("Reshape", x, g.ints(1, TOKENS, heads, width)), perm=[0, 2, 1, 3])
    turning = width // 2 if g.chance(.3) and width > 4 else width
    rows = TOKENS + g.among(0, 5)
    places = g.integers(0, rows - TOKENS + 1, 1, np.int64) if g.chance() else g.integers(0, rows, (1, TOKENS), np.int64)
    angles = np.arange(rows)[:, None] * .5 ** np.arange(turning // 2)
    given = {"interleaved": 1} if g.chance(.4) else {}
    if turning < width or g.chance(.3):
        given.update(rotary_embedding_dim=turning, num_heads=heads)
    elif g.chance():
        given["num_heads"] = heads
    return g.net(g.own("RotaryEmbedding", [x, places, g.const(np.cos(angles)), g.const(np.sin(angles))], **given))


# ---- products with few bits -----------------------------------------------------

@kind
def few_bits(seed):
    """MatMulNBits: 2, 4 and 8 bits, blocks that end inside of a row or hold all of it, zero points packed, as floats or left out."""
    g = Draw(seed, (8, 24, 40)[seed % 3])
    rows, columns, bits, block = (8, 24, 40)[seed % 3], g.among(1, 7, 16, 33), g.among(2, 4, 8), g.among(16, 32, 64)
    blocks = (rows + block - 1) // block
    scales = g.drawn.uniform(.01, .1, (columns, blocks))
    zeros = g.among("none", "packed", "float" if bits == 4 else "packed")
    inputs = [g.tokens, g.integers(0, 256, (columns, blocks, block * bits // 8), np.uint8), g.const(scales if g.chance() else scales.ravel())]
    inputs.append({"none": lambda: "",
                   "packed": lambda: g.integers(0, 256, (columns, (blocks * bits + 7) // 8), np.uint8),
                   "float": lambda: g.const(g.drawn.uniform(0, 2 ** bits - 1, (columns, blocks)))}[zeros]())
    inputs += ["", g.random(columns) if g.chance(.4) else ""]
    return g.net(g.own("MatMulNBits", inputs, K=rows, N=columns, bits=bits, block_size=block))


@kind
def few_bits_grouped(seed):
    """MatMulNBits whose rows name their block; the definition, since ONNX Runtime no longer reads it everywhere."""
    g, s = Draw(seed, 32), Draw(seed, 32)
    w, scale = g.drawn.integers(0, 16, (6, 32)), g.drawn.uniform(.01, .1, (6, 2))
    group = g.drawn.permutation(np.arange(32) // 16)
    packed = (w[:, ::2] | w[:, 1::2] << 4).reshape(6, 2, 8)
    out = g.own("MatMulNBits", [g.tokens, g.const(packed, np.uint8), g.const(scale), "", g.const(group, np.int32)], K=32, N=6,
                bits=4, block_size=16)
    spelled = s.node("MatMul", s.tokens, s.const(((w - 8) * scale[:, group]).T))
    return g.net(out, oracle=s.net([spelled]))


@kind
def few_bits_stored(seed):
    """DequantizeLinear of weights in 2, 4 and 8 bits, packed in bytes or in a typed field, of an odd number, too; a scale for each block."""
    g = Draw(seed, 24)
    name, low, high = g.among(("UINT4", 0, 16), ("INT4", -8, 8), ("UINT8", 0, 256), ("INT8", -128, 128))
    axis, columns, block = g.among(0, 1), g.among(3, 5, 8), g.among(16, 32)
    shape, blocks = [24, columns], [(24 + block - 1) // block, columns]
    if axis:
        shape, blocks = shape[::-1], blocks[::-1]
    for value_name, dims in (("w", shape), ("z", blocks)):
        stored = helper.make_tensor(value_name, getattr(TensorProto, name), dims, g.drawn.integers(low, high, dims).ravel())
        if g.chance():
            stored = numpy_helper.from_array(numpy_helper.to_array(stored), value_name)
        g.constants.append(stored)
    if g.chance(.7):
        w = g.node("DequantizeLinear", "w", g.const(g.drawn.uniform(.01, .1, blocks)), *(["z"] if g.chance() else []), axis=axis,
                   block_size=block)
    else:
        w = g.node("DequantizeLinear", "w", g.const(.05))
    return g.net([g.node("MatMul", g.tokens, g.node("Transpose", w, perm=[1, 0]) if axis else w)], opset=21)


# ---- others ------------------------------------------------------------------------

@kind
def split_gelu(seed):
    """BiasSplitGelu and BiasAdd, which it writes of diffusion nets, for GPUs."""
    g, s = Draw(seed), Draw(seed)
    x, bias, skip = (g.product(g.tokens, 8, 16), s.product(s.tokens, 8, 16)), g.random(16), g.random(8)
    s.random(16), s.random(8)
    y = g.own("BiasSplitGelu", [x[0], bias])[0]
    z = g.own("BiasAdd", [y, skip, g.tokens])
    t = s.node("Add", x[1], bias)
    t = s.node("Mul", s.last(t, 0, 8), s.node("Gelu", s.last(t, 8, 16)))
    return g.net(z, oracle=s.net([s.node("Add", s.node("Add", t, skip), s.tokens)], opset=20))


@kind
def skip_group_norm(seed):
    """SkipGroupNorm, channels last or first, of a map, of one number a channel, with a bias; the sum as an output."""
    made = []
    for spelled in (False, True):
        g = Draw(seed)
        last, silu, form, groups = g.chance(), int(g.chance()), g.among("map", "flat", "pixel"), g.among(1, 2, 4, 8)
        scale, shift, bias, has_bias = g.random(8), g.random(8), g.random(8), g.chance()
        row = g.ints(*([1, 1, 1, 8] if last else [1, 8, 1, 1]))
        x = g.node("Transpose", g.map, perm=[0, 2, 3, 1]) if last else g.map
        skip = g.node("Tanh", x)
        if form != "map":
            skip = g.node("ReduceMax", skip, g.ints(*([1, 2] if last else [2, 3])), keepdims=int(form == "pixel"))
        if not spelled:
            made.append(g.net(g.own("SkipGroupNorm", [x, scale, shift, skip, bias if has_bias else ""], 2, groups=groups,
                                    channels_last=int(last), activation=silu, epsilon=1e-3), opset=21))
            continue
        total = g.node("Add", x, g.node("Reshape", skip, row) if form == "flat" else skip)
        total = g.node("Add", total, g.node("Reshape", bias, row)) if has_bias else total
        y = g.node("Transpose", total, perm=[0, 3, 1, 2]) if last else total
        y = g.node("GroupNormalization", y, scale, shift, num_groups=groups, epsilon=1e-3)
        y = g.node("Mul", y, g.node("Sigmoid", y)) if silu else y
        made.append(g.net([g.node("Transpose", y, perm=[0, 2, 3, 1]) if last else y, total], opset=21))
    made[0].oracle = made[1].model
    return made[0]


@kind
def bias_softmax(seed):
    """BiasSoftmax over one or two dimensions, of a mask for each image or for each head."""
    made = []
    for spelled in (False, True):
        g = Draw(seed)
        axis, shape = g.among(2, 3), g.among((2, 1, 1, 8), (2, 1, 6, 8), (1, 1, 6, 8))
        x, bias = g.node("Reshape", g.tokens, g.ints(2, 2, 6, 8)), g.random(*shape)
        if not spelled:
            made.append(g.net(g.own("BiasSoftmax", [x, bias], axis=axis, is_inner_broadcast=int(shape[0] > 1))))
            continue
        x = g.node("Reshape", g.node("Add", x, bias), g.ints(*((4, 48) if axis == 2 else (24, 8))))
        made.append(g.net([g.node("Reshape", g.node("Softmax", x, axis=1), g.ints(2, 2, 6, 8))]))
    made[0].oracle = made[1].model
    return made[0]


@kind
def products(seed):
    """FusedMatMulActivation, and FusedMatMul by its old name."""
    made = []
    for spelled in (False, True):
        g = Draw(seed)
        name, alpha = g.among("Relu", "LeakyRelu", "HardSigmoid"), g.among(1., .5)
        numbers = {"Relu": {}, "LeakyRelu": {"alpha": .2}, "HardSigmoid": {"alpha": .3, "beta": .4}}[name]
        y = g.own("TransposeMatMul", [g.tokens, g.random(6, 8)], transB=1, alpha=alpha)[0]
        w = g.random(6, 5)
        if spelled:
            y = g.node("MatMul", y, w)
            y = g.node(name, g.node("Mul", y, g.const(alpha)), **numbers)
        else:
            y = g.own("FusedMatMulActivation", [y, w], alpha=alpha, activation=name,
                      **{f"activation_{k}": v for k, v in numbers.items()})[0]
        made.append(g.net([y]))
    made[0].oracle = made[1].model
    return made[0]


@kind
def antialiased(seed):
    """Resize with antialias: by whole numbers, which is a convolution on changed pixels, and by others; one way smaller, one larger."""
    g, opset = Draw(seed), (18, 19, 22)[seed % 3]
    x, mode = g.conv(g.map, 8, 8), g.among("linear", "cubic")
    if g.chance():
        x = g.conv(g.scaled("x"), 3, 8)
    given = {"coordinate_transformation_mode": g.among("half_pixel", "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")}
    if mode == "cubic" and g.chance():
        given["cubic_coeff_a"] = -.5
    if g.chance(.2):
        given["exclude_outside"] = 1
    form = g.among("half", "half", "quarter", "odd", "larger", "both", "sizes", "axes")
    if form == "axes":
        given["axes"] = [2, 3]
    factors = {"half": [1, 1, .5, .5], "quarter": [1, 1, .25, .5], "odd": [1, 1, .6, .7], "larger": [1, 1, 2, 2],
               "both": [1, 1, 2, .5], "axes": [.5, .4]}
    last = ["", g.ints(1, 8, g.among(1, 3, 5), g.among(2, 7, 9))] if form == "sizes" else [g.const(factors[form])]
    return g.net([g.node("Resize", x, "", *last, mode=mode, antialias=1, **given)], opset=opset)


@net
def antialiased_on_changes():
    """A picture made smaller by whole numbers before its layers, and a map: nothing of it runs whole."""
    g, x = begun(8)
    x = g.node("Resize", x, "", g.const([1, 1, .5, .5]), mode="linear", antialias=1)
    x = g.node("Resize", g.conv(x, 8, 6), "", g.const([1, 1, .5, .25]), mode="cubic", antialias=1)
    g.conv(x, 6, 3, "y")
    return of_picture(g, opset=18, tails=0)


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else ""
    name, _, number = chosen.rpartition("-")
    if name in KINDS:
        NETS[chosen] = partial(KINDS[name], int(number))
    make_user_nets.main()
