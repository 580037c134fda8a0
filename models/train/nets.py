# SPDX-License-Identifier: LGPL-2.1-or-later
"""The networks: TransferNet (ships for masks), DeltaNet (trained from nothing; ships for poses) and a MobileNetV3-like net
with squeeze-excite to compare with.

TransferNet is PoseNet's trunk (MobileNetV1 0.75, weights by transfer.py) under a narrow decoder; DeltaNet is plain 3x3
convolutions and narrow residual blocks. Both are made of fused nodes only: convolution, bias, optional residual add,
ReLU or ReLU6; strides 2 to 16, no global operation, nearest-neighbour upsampling.
Batch normalisation exists in training only; fold() moves it into the convolutions.

Input of every net: float [N,3,H,W], RGB, 0..1, H and W multiples of 16 (32 for the comparison net).
Outputs at H/4 x W/4, before the sigmoid; offsets are in units of OFFSET_UNIT pixels (export() rescales).
"""
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

OFFSET_UNIT = 32.0
HEADS = {"seg": {"mask": 1}, "pose": {"heatmaps": 17, "center": 1, "offsets": 34}}


class Node(nn.Module):
    """relu(conv(x) + residual): one fused node of the engine."""

    def __init__(self, cin, cout, kernel=3, stride=1, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(cout)
        self.relu = relu

    def forward(self, x, residual=None):
        x = self.norm(self.conv(x))
        if residual is not None:
            x = x + residual
        return F.relu(x) if self.relu else x

    def fold(self):
        """Moves the normalisation into the convolution (inference only)."""
        scale = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        conv = nn.Conv2d(self.conv.in_channels, self.conv.out_channels, self.conv.kernel_size,
                         self.conv.stride, self.conv.padding, groups=self.conv.groups, bias=True)
        conv.weight.data = self.conv.weight.data * scale[:, None, None, None]
        conv.bias.data = self.norm.bias.data - self.norm.running_mean * scale
        self.conv, self.norm = conv, nn.Identity()


class Residual(nn.Module):
    """Two 3x3 nodes with a skip: the narrow sum is where small changes are cut."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = Node(channels, channels), Node(channels, channels)

    def forward(self, x):
        return self.second(self.first(x), x)


class Decoder(nn.Module):
    """1/16 -> 1/8 -> 1/4 with skips, then one head per output, 3x3 (1x1 for those named in `point`).

    inner: channels at 1/8 (default: those of the trunk there); width: channels at 1/4.
    """

    def __init__(self, channels, width, heads, blocks=1, inner=None, point=()):
        super().__init__()
        c4, c8, c16 = channels
        inner = inner or c8
        self.down16, self.skip8 = Node(c16, inner, 1, relu=False), Node(c8, inner, 1)
        self.block8 = nn.Sequential(*[Residual(inner) for _ in range(blocks)])
        self.down8, self.skip4 = Node(inner, width, 1, relu=False), Node(c4, width, 1)
        self.block4 = Node(width, width)
        size = {k: 1 if k in point else 3 for k in heads}
        self.heads = nn.ModuleDict({k: nn.Conv2d(width, n, size[k], 1, size[k] // 2) for k, n in heads.items()})
        for name, head in self.heads.items():
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, 0.0 if name == "offsets" else -3.0)

    def forward(self, x4, x8, x16):
        up = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")
        y8 = self.block8(self.skip8(x8, up(self.down16(x16))))
        y4 = self.block4(self.skip4(x4, up(self.down8(y8))))
        return {k: head(y4) for k, head in self.heads.items()}, [y8, y4]


class DeltaNet(nn.Module):
    """task: seg or pose. forward(x) -> outputs by name, and the features that consistency looks at."""

    def __init__(self, task, stem=16, channels=(32, 48, 96), blocks=(1, 2, 3), width=32):
        super().__init__()
        c4, c8, c16 = channels
        stage = lambda c, n: nn.Sequential(*[Residual(c) for _ in range(n)])
        self.stem = Node(3, stem, stride=2)
        self.enter4, self.stage4 = Node(stem, c4, stride=2), stage(c4, blocks[0])
        self.enter8, self.stage8 = Node(c4, c8, stride=2), stage(c8, blocks[1])
        self.enter16, self.stage16 = Node(c8, c16, stride=2), stage(c16, blocks[2])
        self.decoder = Decoder(channels, width, HEADS[task])

    def forward(self, x):
        x4 = self.stage4(self.enter4(self.stem(x)))
        x8 = self.stage8(self.enter8(x4))
        x16 = self.stage16(self.enter16(x8))
        out, features = self.decoder(x4, x8, x16)
        return out, [x4, x8, x16] + features


class Separable(nn.Module):
    """Depthwise 3x3, ReLU6, pointwise, ReLU6: a row of MobileNetV1, normalisation folded."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.depth, self.point = nn.Conv2d(cin, cin, 3, stride, 1, groups=cin), nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        return F.relu6(self.point(F.relu6(self.depth(x))))


class Trunk(nn.Module):
    """MobileNetV1 0.75 down to 1/16, its first `rows` rows; returns what it has at 1/4, 1/8 and 1/16."""

    ROWS = [(48, 1), (96, 2), (96, 1), (192, 2), (192, 1), (384, 2)] + [(384, 1)] * 7
    TAPS = (2, 4)
    CHANNELS = (96, 192, 384)

    def __init__(self, rows=13):
        super().__init__()
        self.stem, self.rows, cin = nn.Conv2d(3, 24, 3, 2, 1), nn.ModuleList(), 24
        for cout, stride in self.ROWS[:rows]:
            self.rows.append(Separable(cin, cout, stride))
            cin = cout

    def forward(self, x):
        x, taps = F.relu6(self.stem(x)), []
        for i, row in enumerate(self.rows):
            x = row(x)
            if i in self.TAPS:
                taps.append(x)
        return taps + [x]


class TransferNet(nn.Module):
    """PoseNet's trunk and a narrow decoder. forward(x) -> outputs by name, and the features that consistency looks at.

    prior (transfer.py sets it, after training): PoseNet's own heat map head on the trunk. Its logits, moved and cut to
    PRIOR, are added to ours: no key point where PoseNet is sure that there is none, a little more where it sees one.
    """

    PRIOR, PRIOR_SHIFT = (-6.0, 2.0), 2.0

    def __init__(self, task, rows=13, inner=48, width=32, point=()):
        super().__init__()
        self.trunk = Trunk(rows)
        self.decoder = Decoder(Trunk.CHANNELS, width, HEADS[task], inner=inner, point=point)
        self.prior = None

    def forward(self, x):
        taps = self.trunk(x)
        out, features = self.decoder(*taps)
        if self.prior is not None:
            opinion = self.prior(taps[-1]).clamp(*self.PRIOR)
            out["heatmaps"] = out["heatmaps"] + F.interpolate(opinion, scale_factor=4, mode="nearest")
        return out, taps + features


class SqueezeExcite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        inner = (channels // 4 + 7) // 8 * 8
        self.reduce, self.expand = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        gate = self.expand(F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1))))
        return x * F.hardsigmoid(gate)


class Inverted(nn.Module):
    """Inverted residual of MobileNetV3: expand, depthwise, squeeze-excite, project."""

    def __init__(self, cin, kernel, expand, cout, squeeze, hard, stride):
        super().__init__()
        act = nn.Hardswish if hard else nn.ReLU
        layers = []
        if expand != cin:
            layers += [nn.Conv2d(cin, expand, 1, bias=False), nn.BatchNorm2d(expand), act()]
        layers += [nn.Conv2d(expand, expand, kernel, stride, kernel // 2, groups=expand, bias=False),
                   nn.BatchNorm2d(expand), act()]
        if squeeze:
            layers.append(SqueezeExcite(expand))
        layers += [nn.Conv2d(expand, cout, 1, bias=False), nn.BatchNorm2d(cout)]
        self.body, self.skip = nn.Sequential(*layers), stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


class MobileNet(nn.Module):
    """MobileNetV3-Large-like trunk (to 1/32) with the decoder of DeltaNet: the net to compare with."""

    ROWS = [(3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2),
            (5, 120, 40, 1, 0, 1), (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1),
            (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1),
            (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1), (5, 960, 160, 1, 1, 1)]

    def __init__(self, task, width=40):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish())
        rows, cin = [], 16
        for kernel, expand, cout, squeeze, hard, stride in self.ROWS:
            rows.append(Inverted(cin, kernel, expand, cout, squeeze, hard, stride))
            cin = cout
        self.rows = nn.ModuleList(rows)
        self.down32, self.skip16 = Node(160, 112, 1, relu=False), Node(112, 112, 1)
        self.decoder = Decoder((24, 40, 112), width, HEADS[task], blocks=2)

    def forward(self, x):
        x, taps = self.stem(x), {}
        for i, row in enumerate(self.rows):
            x = row(x)
            taps[i] = x
        x16 = self.skip16(taps[11], F.interpolate(self.down32(taps[14]), scale_factor=2, mode="nearest"))
        out, features = self.decoder(taps[2], taps[5], x16)
        return out, [taps[2], taps[5], x16] + features


def build(task, kind="transfer"):
    """PoseNet's trunk and a decoder (kind transfer), the design trained from nothing (delta) or the comparison net (mobile)."""
    if kind == "transfer":
        if task == "pose":
            return TransferNet(task, rows=13, inner=64, point=("offsets",))
        return TransferNet(task, rows=11)
    if kind == "mobile":
        return MobileNet(task)
    if task == "pose":
        return DeltaNet(task, channels=(32, 64, 128), blocks=(1, 2, 2), width=32)
    return DeltaNet(task)


def fold(net):
    """Folds every batch normalisation of a net in eval mode, in place."""
    for module in net.modules():
        if isinstance(module, Node):
            module.fold()
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            layers = list(module)
            for i in range(len(layers) - 1):
                if isinstance(layers[i], nn.Conv2d) and isinstance(layers[i + 1], nn.BatchNorm2d):
                    module[i] = torch.nn.utils.fuse_conv_bn_eval(layers[i], layers[i + 1])
                    module[i + 1] = nn.Identity()
    return net


def macs_per_pixel(net, size=256):
    """Multiply-accumulates of all convolutions for one input pixel."""
    training = net.training
    net.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, size, size, device=next(net.parameters()).device))
    net.train(training)
    return counter.get_total_flops() / 2 / size / size
