#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools/figures_regions.py makes of results, without a pipeline."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import figures_regions as tested


def frame(runs):
    """A mask of 4x2 cells over a frame of 40x20 pixels."""
    return {"segmentation": {"width": 4, "height": 2, "runs": runs,
                             "rectangle": [0, 0, 40, 20]}}


def person(x, y, score=0.9):
    return {"keypoints": [[x, y, score], [x, y + 100, score]]}


class Agreement(unittest.TestCase):
    def test_masks(self):
        left, all_of_it = frame([1, 1, 0, 7]), frame([1, 8])
        self.assertEqual(tested.mask_iou([left], [left], None), 1)
        self.assertEqual(tested.mask_iou([left], [all_of_it], None), 1 / 8)
        self.assertEqual(tested.mask_iou([left, all_of_it], [all_of_it] * 2,
                                         None), 9 / 16)
        self.assertEqual(tested.mask_iou([left], [all_of_it],
                                         (0, 0, 20, 10)), 1 / 2)
        self.assertEqual(tested.mask_iou([frame([0, 8])] * 2,
                                         [frame([0, 8])] * 2, None), 1)

    def test_points(self):
        dense = [{"poses": [person(0, 0), person(500, 0)]}]
        self.assertEqual(tested.points_near(dense, dense), 1)
        other = [{"poses": [person(504, 0), person(6, 0)]}]
        self.assertEqual(tested.points_near(other, dense), 1 / 2)
        self.assertEqual(tested.points_near([{"poses": []}], dense), 0)
        unsure = [{"poses": [person(0, 0, 0.1)]}]
        self.assertEqual(tested.points_near([{"poses": []}], unsure), 1)

    def test_frames(self):
        with self.assertRaises(SystemExit):
            tested.agreement([frame([1, 8])], [frame([1, 8])] * 2, None)


if __name__ == "__main__":
    unittest.main()
