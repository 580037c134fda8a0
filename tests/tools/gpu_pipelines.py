#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/gpu_pipelines.py makes of texts that it is shown, without a GPU."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import gpu_pipelines as tested

CAME = ("0:00:02.1 77 0x55 DEBUG GST_SCHEDULING gstpad.c:4459:f:<{pad}> calling "
        "chainfunction &gst_base_transform_chain with buffer buffer: {at}, pts "
        "0:00:00.0, dts 99:99:99.9, dur 0:00:00.0, size 1, offset 0")
LEFT = ("0:00:02.2 77 0x55 DEBUG GST_SCHEDULING gstpad.c:4465:f:<{pad}> called "
        "chainfunction &gst_base_transform_chain with buffer {at}, returned ok")
MAPS = ("0:00:02.2 77 0x55 LOG GST_BUFFER gstbuffer.c:1846:gst_buffer_map_range:"
        " buffer {at}, idx 0, length 1, flags {flags}")


def trace(flags, other="0002"):
    """A frame that is mapped while it is there; the same address before and
    after, and another one, are no picture's."""
    lines = [MAPS.format(at="0xa1", flags=other),
             CAME.format(pad="d:sink", at="0xa1"),
             MAPS.format(at="0xa1", flags=flags),
             MAPS.format(at="0xb2", flags=other),
             LEFT.format(pad="d:sink", at="0xa1"),
             MAPS.format(at="0xa1", flags=other),
             CAME.format(pad="e:sink", at="0xc3"),
             MAPS.format(at="0xc3", flags=other)]
    return "\n".join(lines * 3)


class Texts(unittest.TestCase):
    def test_maps(self):
        self.assertEqual(tested.maps_of(trace("20001")), [3, 0])
        self.assertEqual(tested.maps_of(trace("0001")), [0, 3])
        self.assertEqual(tested.stays(trace("20001")), "")
        self.assertIn("3 on the host", tested.stays(trace("0001")))
        self.assertIn("0 maps", tested.stays(""))
        self.assertIn("2 on the host", tested.stays(trace("20001"), 2))
        self.assertEqual(tested.comes_down(trace("0001")), "")
        self.assertNotEqual(tested.comes_down(trace("20001")), "")

    def test_memory(self):
        held = {17: 500 * tested.MIB, 33: 660 * tested.MIB}
        self.assertEqual(tested.per_stream(held), 10 * tested.MIB)
        self.assertEqual(tested.compare(10.4, 10), "")
        self.assertNotEqual(tested.compare(10.6, 10), "")
        self.assertNotEqual(tested.compare(9.4, 10), "")

    def test_seconds(self):
        self.assertEqual(tested.seconds_of(
            "a\nExecution ended after 0:01:02.500000000\n"), 62.5)
        self.assertIsNone(tested.seconds_of("ERROR"))

    def test_results(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            line = '{"pts":%d,"time":"%s","run_ns":%d,"boxes":[%d]}\n'
            for name, time in (("in-turn", "a"), ("ahead", "b")):
                (folder / f"{name}.jsonl").write_text("".join(
                    line % (i, time, i + len(time) * 7, i) for i in range(5)))
            self.assertEqual(tested.same_results(folder), "")
            (folder / "ahead.jsonl").write_text("".join(
                line % (i, "b", i, i + (i == 3)) for i in range(5)))
            self.assertIn("frame 3 of 5", tested.same_results(folder))
            (folder / "ahead.jsonl").write_text(line % (0, "b", 0, 0))
            self.assertIn("1 frames ahead", tested.same_results(folder))

    def test_frames(self):
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(b"....stsz" + bytes(8) + (214).to_bytes(4, "big") +
                       b"....stsz" + bytes(8) + (3).to_bytes(4, "big"))
            file.flush()
            self.assertEqual(tested.frames_of(pathlib.Path(file.name)), 214)

    def test_kind(self):
        for name, kind in ((b"avc1", "h264"), (b"hev1", "h265")):
            with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                file.write(b"....stsd...." + name)
                file.flush()
                chain = tested.decoded(pathlib.Path(file.name))
                self.assertIn(f"nv{kind}dec", chain)
                self.assertIn(f"{kind}parse", chain)


if __name__ == "__main__":
    unittest.main()
