# SPDX-License-Identifier: LGPL-2.1-or-later
"""More operators for make_wild_nets.py: what planner and passes turn into something else.

Channels last between Transposes, convolutions in one dimension, maps on an axis of their own, pixels repeated by Tile or
Expand, shuffles, GELU and hard swish spelled out, norms as TensorFlow spells them, slices that go backwards, joins and parts
along rows and columns, sums and softmax along any axis, operands that are broadcast along one axis, values of the middle as outputs,
dense blocks, parts that go another way, gates through fully connected layers, attention.

Each takes the net and a map (take_picture: none yet), and returns the map that it made, or None where the map does not suit. FIXED are nets that were
once wrong.
"""
from functools import partial

import numpy as np

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
END = 1 << 30


def ints(net, *values):
    return net.constant(values, np.int64)


def reshape(net, name, *shape):
    return net.node("Reshape", [name, ints(net, *shape)])


def keep_like(net, name, m, positive=False):
    return net.keep(name, m.c, m.h, m.w, positive)


# ---- inputs ---------------------------------------------------------------------

def take_picture(net, c, h, w):
    """The picture as exporters have it: channels last, no batch, of bytes; scaled in that form."""
    kind = net.among(["last", "last", "last, no batch", "no batch", "bytes", "bytes, last"])
    shape = {"last": (1, h, w, c), "last, no batch": (h, w, c), "no batch": (c, h, w), "bytes": (1, c, h, w),
             "bytes, last": (1, h, w, c)}[kind]
    x, last = "image", "last" in kind
    net.inputs.append((x, shape, np.uint8 if "bytes" in kind else np.float32))
    if "bytes" in kind:
        x = net.node("Mul", [net.node("Cast", [x], to=1), net.constant(1 / 64)])
    if net.chance(.7):
        x = net.node("Sub", [x, net.constant(net.uniform(-1, 1, (c,) if last else (c, 1, 1)))])
    if net.chance(.3):
        x = net.node("Mul", [x, net.constant(net.uniform(.5, 1.5, net.among([(), (h, 1, 1), (h, w, 1)] if last else [(), (w,)])))])
    if kind == "last, no batch" and net.chance(.5):
        x = net.node("Unsqueeze", [net.node("Transpose", [x], perm=[2, 0, 1]), ints(net, 0)])
    elif last:
        x = x if "no batch" not in kind else net.node("Unsqueeze", [x, ints(net, 0)])
        x = net.node("Transpose", [x], perm=FIRST)
    elif kind == "no batch":
        x = net.node("Unsqueeze", [x, ints(net, 0)])
    else:
        x = net.node("Add", [x, net.constant(.1)])
    net.keep(x, c, h, w)


# ---- channels last -------------------------------------------------------------

def island(net, m):
    """Transpose, some operators on [1,H,W,C], Transpose; now and then the middle is read as it is, too."""
    x, c, h, w = net.node("Transpose", [m.name], perm=LAST), m.c, m.h, m.w
    for _ in range(int(net.rng.integers(1, 4))):
        kind = net.among(["vector", "rows", "relu", "slice", "concat", "pad", "matmul", "gather", "prelu", "softmax", "norm",
                          "gate", "split"])
        if kind == "vector":
            x = net.node(net.among(["Mul", "Add", "Sub"]), [x, net.constant(net.uniform(.5, 1.5, net.among([(c,), (1, 1, c)])))])
        elif kind == "rows":
            x = net.node("Mul", [x, net.constant(net.uniform(.5, 1.5, net.among([(h, 1, 1), (w, 1), (h, w, 1), (w, c)])))])
        elif kind == "relu":
            x = net.node(net.among(["Relu", "Tanh", "Abs"]), [x])
        elif kind == "slice" and h > 3 and w > 3:
            dy, dx = net.among([1, 2]), net.among([1, 2, 3])
            x = net.node("Slice", [x, ints(net, 1, 0), ints(net, END, END), ints(net, 1, 2), ints(net, dy, dx)])
            h, w = (h - 1 + dy - 1) // dy, (w + dx - 1) // dx
        elif kind == "concat" and c <= 24:
            x = net.node("Concat", [x] * int(net.among([2, 3])), axis=3) if net.chance(.5) else net.node(
                "Concat", [x, net.constant(net.uniform(-1, 1, (1, h, w, 1)))], axis=3)
            c = None
        elif kind == "pad":
            x = net.node("Pad", [x, ints(net, 0, 1, 0, 0, 0, 0, 2, 0), net.constant(float(net.among([0., .5])))])
            h, w = h + 1, w + 2
        elif kind == "matmul" and c <= 48:
            n = int(net.among([1, 4, 5, 8]))
            x, c = net.node("MatMul", [x, net.constant(net.rng.normal(0, 1 / np.sqrt(c), (c, n)))]), n
        elif kind == "gather":
            index = net.rng.integers(0, c, int(net.among([1, 3, c])))
            x, c = net.node("Gather", [x, net.constant(index, np.int64)], axis=3), len(index)
        elif kind == "prelu":
            x = net.node("PRelu", [x, net.constant(net.uniform(-.5, .5, (c,)))])
        elif kind == "softmax":
            x = net.node("Softmax", [x], axis=3)
        elif kind == "norm":
            x = net.node("LayerNormalization", [x, net.constant(net.uniform(.5, 1.5, c))], epsilon=.05)
        elif kind == "gate":
            gate = net.node("ReduceMean", [x], axes=[1, 2], keepdims=1)
            x = net.node("Mul", [x, net.node("Sigmoid", [gate])])
        elif kind == "split" and c > 1:
            part = net.node("Split", [x, ints(net, 1, c - 1)], 2, axis=3)
            x, c = part[1], c - 1
        if c is None:
            break
    back = net.node("Transpose", [x], perm=FIRST)
    if c is None: # what a concatenation made of it is not counted here
        x = net.node("ReduceSum", [back, ints(net, 1)], keepdims=1)
        return net.keep(x, 1, h, w)
    if net.chance(.2):
        net.extra.append(x)
    if min(h, w) < 1 or c > 96:
        return None
    return net.keep(back, c, h, w)


# ---- other shapes ----------------------------------------------------------------

def rows(net, m):
    """A convolution in one dimension over the flattened map."""
    if m.c < 2 or m.h * m.w < 9:
        return None
    n, length = int(net.among([2, 5, 8])), m.h * m.w
    x = reshape(net, m.name, 1, m.c, length)
    x = net.node("Conv", [x, net.constant(net.rng.normal(0, 1 / np.sqrt(3 * m.c), (n, m.c, 3)))], pads=[1, 1], kernel_shape=[3])
    x = net.node("Mul", [x, net.constant(net.uniform(.5, 1.5, net.among([(n, 1), (length,), (1, n, 1)])))])
    if net.chance(.4):
        x = net.node("Conv", [x, net.constant(net.rng.normal(0, .5, (n, 1, 3)))], pads=[2, 2], dilations=[2], group=n,
                     kernel_shape=[3])
    return net.keep(reshape(net, x, 1, n, m.h, m.w), n, m.h, m.w)


def stack(net, m):
    """Paths on an axis of their own, weighed and added up."""
    fitting = [n for n in (2, 3, 4) if m.c % n == 0]
    if not fitting or m.h * m.w < 2:
        return None
    n = net.among(fitting)
    c = m.c // n
    x = reshape(net, m.name, 1, n, c, m.h, m.w)
    kind = net.among(["softmax", "constant", "whole", "concat"])
    if kind == "softmax":
        gate = net.node("ReduceMean", [m.name], axes=[2, 3], keepdims=1)
        x = net.node("Mul", [x, net.node("Softmax", [reshape(net, gate, 1, n, c, 1, 1)], axis=1)])
    elif kind == "constant":
        x = net.node("Mul", [x, net.constant(net.uniform(.5, 1.5, net.among([(n, c, 1, 1), (1, n, 1, 1, 1), (c, 1, 1), ()])))])
    elif kind == "whole":
        x = net.node("Sub", [x, net.node("ReduceMax", [x], axes=[1], keepdims=1)])
    else:
        x = net.node("Concat", [x, net.node("Tanh", [x])], axis=1)
    op = net.among(["ReduceSum", "ReduceMean", "ReduceMax"])
    x = net.node(op, [x, ints(net, 1)], keepdims=0) if op == "ReduceSum" else net.node(op, [x], axes=[1], keepdims=0)
    return net.keep(x, c, m.h, m.w)


def repeat(net, m):
    """Pixels or channels repeated by Tile or Expand."""
    if m.h * m.w * m.c > 4000:
        return None
    kind, r = net.among(["rows", "columns", "both", "tile", "channels", "wrong"]), net.among([2, 3])
    wide = {"rows": (m.c, m.h, r, m.w, 1), "columns": (m.c, m.h, 1, m.w, r), "both": (m.c, m.h, 2, m.w, 2),
            "wrong": (m.c, m.h, m.w, r, 1)}.get(kind)
    if kind == "tile":
        return net.keep(net.node("Tile", [m.name, ints(net, 1, 1, r, 1)]), m.c, m.h * r, m.w, m.positive)
    if kind == "channels":
        x = net.node("Tile", [reshape(net, m.name, 1, m.c, 1, m.h, m.w), ints(net, 1, 1, r, 1, 1)])
        return net.keep(reshape(net, x, 1, m.c * r, m.h, m.w), m.c * r, m.h, m.w, m.positive)
    narrow = tuple(1 if n != p else n for n, p in zip(wide, (m.c, m.h, 0, m.w, 0))) if kind != "wrong" else (m.c, m.h, m.w, 1, 1)
    x = reshape(net, m.name, 1, *narrow)
    if net.chance(.5):
        x = net.node("Expand", [x, ints(net, 1, *wide)])
    else:
        x = net.node("Tile", [x, ints(net, 1, *(a // b for a, b in zip(wide, narrow)))])
    h = m.h * wide[2] if kind != "wrong" else m.h
    w = m.w * wide[4] if kind != "wrong" else m.w * r
    return net.keep(reshape(net, x, 1, m.c, h, w), m.c, h, w, m.positive)


def pixels(net, m):
    """A pixel shuffle spelled out, and what may change places with it."""
    if m.c % 4 or max(m.size()) > 24:
        return None
    if net.chance(.5):
        x = net.node("Transpose", [reshape(net, m.name, 1, m.c // 4, 2, 2, m.h, m.w)], perm=[0, 1, 4, 2, 5, 3])
    else:
        x = net.node("Transpose", [reshape(net, m.name, 1, 2, 2, m.c // 4, m.h, m.w)], perm=[0, 3, 4, 1, 5, 2])
    x = reshape(net, x, 1, m.c // 4, 2 * m.h, 2 * m.w)
    if net.chance(.6):
        x = net.node(net.among(["Tanh", "Relu"]), [net.node("Mul", [x, net.constant(.7)])])
    return net.keep(x, m.c // 4, 2 * m.h, 2 * m.w)


def unshuffle(net, m):
    """A space-to-depth spelled out, in either order."""
    if m.h % 2 or m.w % 2 or m.c > 16:
        return None
    x = reshape(net, m.name, 1, m.c, m.h // 2, 2, m.w // 2, 2)
    x = net.node("Transpose", [x], perm=net.among([[0, 1, 3, 5, 2, 4], [0, 3, 5, 1, 2, 4], [0, 5, 3, 1, 2, 4]]))
    return net.keep(reshape(net, x, 1, 4 * m.c, m.h // 2, m.w // 2), 4 * m.c, m.h // 2, m.w // 2, m.positive)


def turn(net, m):
    """Rows and columns, or rows and channels, change places; or the same elements make another map."""
    kind = net.among(["columns", "rows", "flat", "flat"])
    if kind == "columns":
        return net.keep(net.node("Transpose", [m.name], perm=[0, 1, 3, 2]), m.c, m.w, m.h, m.positive)
    if kind == "rows":
        return net.keep(net.node("Transpose", [m.name], perm=[0, 2, 1, 3]), m.h, m.c, m.w, m.positive)
    if m.h % 2 == 0:
        return net.keep(reshape(net, m.name, 1, m.c * 2, m.h // 2, m.w), m.c * 2, m.h // 2, m.w, m.positive)
    return net.keep(reshape(net, m.name, 1, m.c, m.w, m.h), m.c, m.w, m.h, m.positive)


# ---- along rows and columns ----------------------------------------------------------

def crop(net, m):
    """Slices with steps, also backwards, one or two after each other."""
    x, size = m.name, list(m.size())
    for _ in range(net.among([1, 2])):
        axis = int(net.rng.integers(2))
        n, step = size[axis], net.among([1, 2, 3, -1, -2])
        if n < 4:
            return None
        begin = int(net.rng.integers(0, 3)) if step > 0 else n - 1 - int(net.rng.integers(0, 3))
        end = END if step > 0 else -END
        x = net.node("Slice", [x, ints(net, begin), ints(net, end), ints(net, 2 + axis), ints(net, step)])
        size[axis] = len(range(begin, n if step > 0 else -1, step))
    return net.keep(x, m.c, *size, m.positive)


def join(net, m):
    """Side by side along rows or columns, also with itself, or parts of it in another order."""
    axis = int(net.rng.integers(2))
    if max(m.size()) > 24 or m.size()[axis] < 3:
        return None
    if net.chance(.4):
        at = int(net.rng.integers(1, m.size()[axis]))
        parts = net.node("Split", [m.name, ints(net, at, m.size()[axis] - at)], 2, axis=2 + axis)
        return keep_like(net, net.node("Concat", parts[::-1], axis=2 + axis), m, m.positive)
    other = net.pick(lambda o: o.size() == m.size() and o.c == m.c) or m
    size = [n * (2 if i == axis else 1) for i, n in enumerate(m.size())]
    return net.keep(net.node("Concat", [m.name, other.name], axis=2 + axis), m.c, *size, m.positive and other.positive)


def pick_pixels(net, m):
    """A Gather along rows or columns, with repeats."""
    axis = int(net.rng.integers(2))
    size = list(m.size())
    index = net.rng.integers(-size[axis], size[axis], int(net.among([3, 8, size[axis]])))
    size[axis] = len(index)
    return net.keep(net.node("Gather", [m.name, net.constant(index, np.int64)], axis=2 + axis), m.c, *size, m.positive)


def padded(net, m):
    """Pads of any mode, also negative ones, and of two values after each other."""
    mode = net.among(["edge", "reflect", "constant", "two"])
    p = [int(v) for v in net.rng.integers(-1, 3, 4)]
    if min(m.size()) < 5:
        return None
    pads = ints(net, 0, 0, p[0], p[1], 0, 0, p[2], p[3])
    if mode == "two":
        x = net.node("Pad", [m.name, pads, net.constant(.5)])
        x = net.node("Pad", [x, ints(net, 0, 0, 1, 0, 0, 1, 0, 1), net.constant(-1.)])
        return net.keep(x, m.c + 1, m.h + p[0] + p[2] + 1, m.w + p[1] + p[3] + 1)
    x = net.node("Pad", [m.name, pads] + ([net.constant(-.5)] if mode == "constant" else []), mode=mode)
    return net.keep(x, m.c, m.h + p[0] + p[2], m.w + p[1] + p[3])


def along(net, m):
    """A sum, a mean, a largest value or a softmax along any axis, broadcast again."""
    axis = int(net.rng.integers(1, 4))
    op = net.among(["ReduceSum", "ReduceMean", "ReduceMax", "Softmax", "LogSoftmax", "ArgMax"])
    if op in ("Softmax", "LogSoftmax"):
        return keep_like(net, net.node(op, [m.name], axis=axis), m)
    if op == "ArgMax":
        x = net.node("Cast", [net.node(op, [m.name], axis=axis, keepdims=1)], to=1)
    elif op == "ReduceSum":
        x = net.node(op, [m.name, ints(net, axis)], keepdims=1)
    else:
        x = net.node(op, [m.name], axes=[axis], keepdims=1)
    if net.chance(.3):
        size = [1 if i == axis else n for i, n in enumerate((1, m.c, m.h, m.w))]
        return net.keep(x, *size[1:])
    return keep_like(net, net.node("Sub", [m.name, x]), m)


def broadcast(net, m):
    """An operand that is broadcast along one axis, or has been already."""
    shape = net.among([(m.c, 1, 1), (1, m.h, 1), (1, 1, m.w), (m.c, m.h, 1), (m.c, 1, m.w), (1, 1, 1, 1)])
    values = net.constant(net.uniform(.5, 1.5, shape))
    if net.chance(.5):
        values = net.node("Expand", [values, ints(net, 1, m.c, m.h, m.w)])
    elif net.chance(.5):
        small = net.node("ReduceMax", [m.name], axes=[net.among([2, 3])], keepdims=1)
        values = small if net.chance(.5) else net.node("Expand", [small, ints(net, 1, m.c, m.h, m.w)])
    return keep_like(net, net.node(net.among(["Mul", "Add", "Max", "Sub"]), [m.name, values]), m)


# ---- several nodes on parts -----------------------------------------------------------

def pointwise(net, name, c_in, c_out, size):
    weights = net.constant(net.rng.normal(0, 1 / np.sqrt(c_in), (c_out, c_in, 1, 1)))
    return net.keep(net.node("Conv", [name, weights]), c_out, *size)


def dense_block(net, m):
    """All that there is joined again and again, the new piece last or first, or the join itself joined."""
    if m.c > 24:
        return None
    pieces, channels, joined = [m.name], m.c, m
    for _ in range(net.among([2, 3])):
        new = pointwise(net, joined.name, joined.c, int(net.among([1, 3, 4, 8])), m.size())
        again = net.chance(.3)
        channels = (joined.c if again else channels) + new.c
        pieces = [joined.name] if again else pieces
        pieces = pieces + [new.name] if net.chance(.7) else [new.name] + pieces
        joined = net.keep(net.node("Concat", pieces, axis=1), channels, *m.size())
    return joined


def parts(net, m):
    """Some channels go another way and come back, or change places with the others."""
    if m.c < 3:
        return None
    at = sorted(int(v) for v in net.rng.choice(np.arange(1, m.c), 2, replace=False)) if m.c > 3 else [1, 2]
    sizes = [at[0], at[1] - at[0], m.c - at[1]]
    names = net.node("Split", [m.name, ints(net, *sizes)], 3, axis=1)
    kept = [net.keep(name, c, m.h, m.w, m.positive) for name, c in zip(names, sizes)]
    which = int(net.rng.integers(3))
    names[which] = pointwise(net, names[which], sizes[which], sizes[which], m.size()).name
    if net.chance(.3):
        names[which] = net.node("Add", [names[which], kept[which].name])
    order = net.rng.permutation(3) if net.chance(.5) else range(3)
    return keep_like(net, net.node("Concat", [names[i] for i in order], axis=1), m)


def norm_of_part(net, m):
    """A norm of groups of some of the channels, and of a map that was turned before."""
    if m.c < 4 or m.h * m.w < 8:
        return None
    if net.chance(.3):
        x, n = net.node("Transpose", [m.name], perm=[0, 1, 3, 2]), m.c
        size = m.w, m.h
    else:
        n, size = m.c - m.c % 2 - 2, m.size()
        x = net.node("Slice", [m.name, ints(net, 1), ints(net, 1 + n), ints(net, 1)])
    groups = 2 if n % 2 == 0 else 1
    x = net.node("InstanceNormalization", [reshape(net, x, 1, groups, -1), net.constant(net.uniform(.5, 1.5, groups)),
                                           net.constant(net.uniform(-1, 1, groups))], epsilon=.05)
    return net.keep(reshape(net, x, 1, n, *size), n, *size)


def vector_gate(net, m):
    """Squeeze and excite through fully connected layers."""
    x = net.node("ReduceMean", [m.name], axes=[2, 3], keepdims=0) if net.chance(.5) else net.node(
        "Flatten", [net.node("GlobalMaxPool", [m.name])])
    n = int(net.among([2, 8]))
    x = net.node("Gemm", [x, net.constant(net.rng.normal(0, .5, (n, m.c))), net.constant(net.uniform(-1, 1, n))], transB=1)
    x = net.node("MatMul", [net.node("Relu", [x]), net.constant(net.rng.normal(0, .5, (n, m.c)))])
    x = net.node("Sigmoid", [net.node("Add", [x, net.constant(net.uniform(-1, 1, net.among([(m.c,), (1, m.c)])))])])
    x = reshape(net, x, 1, m.c, 1, 1) if net.chance(.5) else net.node("Unsqueeze", [x, ints(net, 2, 3)])
    return keep_like(net, net.node("Mul", [m.name, x]), m)


def attend(net, m):
    """Each pixel looks at all others."""
    if m.h * m.w > 256 or m.c > 24:
        return None
    n, d = m.h * m.w, int(net.among([2, 4]))
    q, k, v = (pointwise(net, m.name, m.c, c, m.size()) for c in (d, d, m.c))
    q = net.node("Transpose", [reshape(net, q.name, 1, d, n)], perm=[0, 2, 1])
    a = net.node("Softmax", [net.node("Mul", [net.node("MatMul", [q, reshape(net, k.name, 1, d, n)]), net.constant(.5)])], axis=-1)
    x = net.node("MatMul", [reshape(net, v.name, 1, m.c, n), net.node("Transpose", [a], perm=[0, 2, 1])])
    return keep_like(net, net.node("Add", [m.name, reshape(net, x, 1, m.c, m.h, m.w)]), m)


# ---- spelled out ---------------------------------------------------------------------

def spelled(net, m):
    """GELU, hard swish and their like, of which somebody else may read a part."""
    kind = net.among(["gelu", "gelu-half", "tanh", "swish", "sixth", "hard-sigmoid", "square", "clamps"])
    x, c = m.name, net.constant
    middle = None
    if kind in ("gelu", "gelu-half"):
        half = net.node("Mul", [x, c(.5)]) if kind == "gelu-half" else x
        middle = net.node("Add", [net.node("Erf", [net.node("Div", [x, c(np.sqrt(2))])]), c(1.)])
        x = net.node("Mul", [half, middle])
        x = x if kind == "gelu-half" else net.node("Mul", [x, c(.5)])
    elif kind == "tanh":
        middle = net.node("Mul", [net.node("Pow", [x, c(3.)]), c(.044715)])
        gate = net.node("Add", [net.node("Tanh", [net.node("Mul", [net.node("Add", [x, middle]), c(.7978845608)])]), c(1.)])
        x = net.node("Mul", [net.node("Mul", [x, c(.5)]), gate])
    elif kind in ("swish", "sixth", "hard-sigmoid"):
        middle = net.node("Clip", [net.node("Add", [x, c(3.)]), c(0.), c(6.)])
        if kind == "swish":
            x = net.node("Div", [net.node("Mul", [x, middle]), c(6.)])
        elif kind == "sixth":
            x = net.node("Mul", [x, net.node("Mul", [middle, c(1 / 6)])])
        else:
            x = net.node("Div", [middle, c(6.)])
    elif kind == "square":
        x = net.node(net.among(["Mul", "Add", "Max"]), [x, x])
    else:
        for _ in range(3):
            low = float(net.uniform(-1, .5))
            x = net.node("Clip", [x, c(low), c(low + float(net.uniform(.1, 1)))])
        x = net.node("Add", [x, m.name])
    if middle is not None and net.chance(.25):
        net.extra.append(middle)
    return keep_like(net, x, m)


def factor(net, x, axes, scale=None, size=None):
    """The mean of x, and the factor by which a norm multiplies x, expanded to a size."""
    mean = net.node("ReduceMean", [x], axes=axes, keepdims=1)
    d = net.node("Sub", [x, mean])
    var = net.node("ReduceMean", [net.node("Mul", [d, d])], axes=axes, keepdims=1)
    a = net.node("Div", [net.constant(1.), net.node("Sqrt", [net.node("Add", [var, net.constant(.05)])])])
    if scale is not None:
        a = net.node("Mul", [a, net.constant(scale)])
    return mean, net.node("Expand", [a, ints(net, *size)]) if size else a


def normed(net, x, mean, a, shift):
    rest = net.node("Sub", [net.constant(shift), net.node("Mul", [mean, a])])
    return net.node("Add", [net.node("Mul", [x, a]), rest])


def factor_norm(net, m):
    """A norm by a factor and a sum, as TensorFlow spells it, along channels, pixels or groups that come last."""
    kind = net.among(["pixels", "channels", "groups"])
    x, axes, shape = m.name, [2, 3], (m.c, 1, 1)
    if kind == "channels":
        axes = [1]
    if kind == "groups":
        if m.c % 2:
            return None
        x = reshape(net, net.node("Transpose", [x], perm=LAST), 1, m.h, m.w, 2, m.c // 2)
        axes, shape = [1, 2, 4], (2, m.c // 2)
    mean, a = factor(net, x, axes, net.uniform(.5, 1.5, shape) if net.chance(.7) else None)
    y = normed(net, x, mean, a, net.uniform(.5, 1.5, shape))
    if kind == "groups":
        y = net.node("Transpose", [reshape(net, y, 1, m.h, m.w, m.c)], perm=FIRST)
    if net.chance(.2):
        net.extra.append(mean)
    return keep_like(net, y, m)


def slopes(net, m):
    """PRelu and Pow whose other operand is a map."""
    other = net.pick(lambda o: o.size() == m.size() and o.c in (m.c, 1)) or m
    if net.chance(.5):
        return keep_like(net, net.node("PRelu", [m.name, other.name]), m)
    base = net.node("Add", [net.node("Sigmoid", [m.name]), net.constant(.3)])
    return keep_like(net, net.node("Pow", [base, net.node("Tanh", [other.name])]), m)


def windows(net, m):
    """Kernels that are not square, with strides, pads and dilations of their own along each axis."""
    k, s, d = ([int(net.among(v)) for _ in range(2)] for v in ([1, 2, 3, 7], [1, 1, 2, 3], [1, 1, 2, 4]))
    p = [int(v) for v in net.rng.integers(0, 5, 4)]
    if any(a >= b for a, b in zip(p, k * 2)):
        p = [0] * 4
    h, w = ((n + p[i] + p[2 + i] - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i, n in enumerate(m.size()))
    if min(h, w) < 1:
        return None
    op = net.among(["Conv", "Conv", "MaxPool", "AveragePool"])
    attributes = {"kernel_shape": k, "strides": s, "pads": p}
    if op != "AveragePool":
        attributes["dilations"] = d
    else:
        h, w = ((n + p[i] + p[2 + i] - k[i]) // s[i] + 1 for i, n in enumerate(m.size()))
        attributes["count_include_pad"] = int(net.rng.integers(2))
    if op != "Conv":
        return net.keep(net.node(op, [m.name], **attributes), m.c, h, w)
    n = int(net.among([1, 4, 8]))
    weights = net.rng.normal(0, 1 / np.sqrt(m.c * k[0] * k[1]), (n, m.c, *k))
    if net.chance(.4):
        weights[:, :, 1::2] = 0
    return net.keep(net.node("Conv", [m.name, net.constant(weights)], **attributes), n, h, w)


OPERATORS = [island, island, island, rows, stack, stack, repeat, repeat, pixels, unshuffle, turn, crop, crop, join, join,
             pick_pixels, padded, padded, along, along, broadcast, broadcast, spelled, spelled, factor_norm, slopes, windows, windows,
             dense_block, dense_block, parts, parts, norm_of_part, vector_gate, attend]


# ---- nets that were once wrong -------------------------------------------------------------

def begun(net, channels=4):
    m = net.maps[0]
    weights = net.rng.normal(0, 1 / np.sqrt(m.c), (channels, m.c, 1, 1))
    return net.keep(net.node("Conv", [m.name, net.constant(weights)]), channels, m.h, m.w)


def taken_name(kind, net):
    """A constant "k", and before it another value that has the name which a pass would give to its other form."""
    m, size = begun(net), {"first": 4, "conv": (4, 4), "row": (4, 1), "stack": (1, 2, 2, 1, 1)}[kind]
    taken, k = m.name, net.constant(net.uniform(.5, 1.5, size), called="k")
    if kind == "first":
        taken = net.node("GlobalAveragePool", [taken], called="k:first")
        x = net.node("Mul", [net.node("Transpose", [m.name], perm=LAST), k])
        x = net.node("Transpose", [x], perm=FIRST)
    elif kind == "conv":
        taken = net.node("Conv", [taken, net.constant(net.rng.normal(0, 1, (4, 4, 1, 1)), called="k:conv")])
        x = net.node("MatMul", [net.node("Transpose", [taken], perm=LAST), k])
        x = net.node("Transpose", [x], perm=FIRST)
    elif kind == "row":
        x = reshape(net, taken, 1, 4, m.h * m.w)
        x = net.node("Conv", [x, net.constant(net.rng.normal(0, .5, (4, 4, 3)))], pads=[1, 1], kernel_shape=[3])
        taken = net.node("ReduceMean", [reshape(net, x, 1, 4, 1, m.h * m.w)], axes=[3], keepdims=1, called="k:row")
        x = reshape(net, net.node("Mul", [x, k]), 1, 4, m.h, m.w)
    else:
        taken = net.node("GlobalAveragePool", [taken], called="k:stack0")
        x = net.node("Mul", [reshape(net, m.name, 1, 2, 2, m.h, m.w), k])
        x = net.node("ReduceSum", [x, ints(net, 1)], keepdims=0)
        taken = net.node("Slice", [taken, ints(net, 0), ints(net, 2), ints(net, 1)])
        return net.keep(net.node("Add", [x, taken]), 2, m.h, m.w)
    return keep_like(net, net.node("Add", [x, taken]), m)


def scale_of_rows(net):
    """A norm of groups whose scale and shift are as many as the channels, but one a row."""
    m = begun(net, 16)
    x = reshape(net, net.node("Transpose", [m.name], perm=LAST), 1, m.h, m.w, 4, 4)
    mean, a = factor(net, x, [1, 2, 4], net.uniform(.5, 1.5, (m.h, 1, 1, 1)))
    x = reshape(net, normed(net, x, mean, a, net.uniform(-1, 1, (m.h, 1, 1, 1))), 1, m.h, m.w, 16)
    keep_like(net, net.node("Transpose", [x], perm=FIRST), m)


def factor_expanded(net):
    """A norm of one pixel whose factor is expanded to more."""
    m = begun(net)
    x = net.node("GlobalAveragePool", [m.name])
    mean, a = factor(net, x, [1], size=(1, 4, 8, 8))
    x = net.node("Add", [net.node("Mul", [x, a]), net.node("Mul", [net.node("Neg", [mean]), a])])
    net.keep(x, 4, 8, 8)


def crossed_clip(net):
    """A least value above the largest: all is the largest."""
    m = begun(net)
    x = net.node("Clip", [m.name, net.constant(1.), net.constant(.3)])
    keep_like(net, net.node("Add", [x, m.name]), m)


def taken_weights(net):
    """Constants that have the names which a pass would give to what it makes of weights."""
    m, total = net.maps[0], net.node("Sum", [net.constant([.01], called=f"conv#{number}") for number in range(100)])
    weights = net.constant(net.rng.normal(0, 1 / np.sqrt(m.c), (4, m.c, 1, 1)))
    x = net.node("Mul", [net.node("Conv", [m.name, weights], name="conv"), net.constant(net.uniform(.5, 1.5, (4, 1, 1)))])
    net.keep(net.node("Add", [net.node("Relu", [x]), total]), 4, m.h, m.w)


FIXED = [partial(taken_name, kind) for kind in ("first", "conv", "row", "stack")] + [
    scale_of_rows, factor_expanded, crossed_clip, taken_weights]
