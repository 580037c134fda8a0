# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folders of training data <-> one file that travels.

    pack.py OUT.tar DIR ... [--limit-mib 45] [--quality 88]    packs; JPEGs over `quality` are written again at it
    tar xf OUT.tar                                             unpacks, DIR's last parts as folders

Frames (NNNNN.jpg) and colours of cutouts are JPEGs, masks and alphas PNGs, labels JSON; nothing is compressed twice. Over the
limit it stops, and says what is largest. Loading (box_scenes.BoxLibrary, scenes.Library) puts everything on the device once.
"""
import argparse
import io
import pathlib
import sys
import tarfile

import cv2


def content(path, quality):
    """Bytes of a file; a frame's JPEG at `quality` where that is smaller."""
    data = path.read_bytes()
    if path.suffix != ".jpg" or path.parent.name != "frames":
        return data
    again = cv2.imencode(".jpg", cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    return again if len(again) < 0.95 * len(data) else data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--limit-mib", type=float, default=45)
    parser.add_argument("--quality", type=int, default=88)
    args = parser.parse_args()
    sizes = {}
    with tarfile.open(args.out, "w") as tar:
        for folder in args.folders:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                data = content(path, args.quality)
                info = tarfile.TarInfo(str(pathlib.Path(folder.name) / path.relative_to(folder)))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                part = f"{folder.name}/{path.relative_to(folder).parts[0]}" if path.parent != folder else folder.name
                sizes[part] = sizes.get(part, 0) + len(data)
    total, told = args.out.stat().st_size, ", ".join(f"{k} {v / 2**20:.1f}" for k, v in sorted(sizes.items(), key=lambda s: -s[1]))
    print(f"{args.out}: {total / 2**20:.1f} MiB ({told})")
    if total > args.limit_mib * 2**20:
        args.out.unlink()
        sys.exit(f"over {args.limit_mib} MiB: fewer frames (step in clips.json) or a lower --quality")


if __name__ == "__main__":
    main()
