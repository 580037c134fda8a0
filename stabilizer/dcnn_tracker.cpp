// SPDX-License-Identifier: LGPL-2.1-or-later
//
// dcnn_tracker.cpp - see dcnn_tracker.h. Nothing here decides anything: that
// is C, in dcnn_stabilizer.c.
#include "dcnn_tracker.h"

#include "dcnn_reduce.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <opencv2/calib3d.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/video/tracking.hpp>

namespace {

const cv::Size window (11, 11);
const int levels = 3;
const int cells_x = 16, cells_y = 9;

struct Slot {
  cv::Mat picture;
  std::vector<cv::Mat> pyramid;
};

} // namespace

struct DcnnTracker {
  unsigned width, height;
  std::vector<Slot> slots;
  std::vector<uint16_t> sums;
  cv::Mat half, strength, small_a, small_b, taper;
  std::vector<cv::Point2f> from, to, back;
  std::vector<uchar> found, found_back;
  std::vector<float> error;
};

DcnnTracker *
dcnn_tracker_new (unsigned n_slots, unsigned width, unsigned height)
try {
  DcnnTracker *tracker = new DcnnTracker ();
  tracker->width = width;
  tracker->height = height;
  tracker->slots.resize (n_slots);
  return tracker;
} catch (...) {
  return nullptr;
}

void
dcnn_tracker_free (DcnnTracker *tracker)
{
  delete tracker;
}

bool
dcnn_tracker_load (DcnnTracker *tracker, unsigned slot, const uint8_t *luma,
    ptrdiff_t stride, unsigned step, unsigned factor)
try {
  Slot &s = tracker->slots.at (slot);
  s.picture.create (static_cast<int> (tracker->height),
      static_cast<int> (tracker->width), CV_8UC1);
  tracker->sums.resize (static_cast<size_t> (tracker->width) * factor * step);
  dcnn_reduce (luma, stride, step, factor, s.picture.data,
      static_cast<ptrdiff_t> (s.picture.step[0]), tracker->width,
      tracker->height, tracker->sums.data ());
  cv::buildOpticalFlowPyramid (s.picture, s.pyramid, window, levels, true);
  return true;
} catch (...) {
  return false;
}

void
dcnn_tracker_swap (DcnnTracker *tracker, unsigned a, unsigned b)
{
  std::swap (tracker->slots[a], tracker->slots[b]);
}

// The best corners of each cell of a grid, so that no textured corner of the
// scene takes all points: rounds go over the cells until there are enough.
unsigned
dcnn_tracker_corners (DcnnTracker *tracker, unsigned slot, DcnnPoint *points,
    unsigned max)
try {
  const cv::Mat &picture = tracker->slots.at (slot).picture;
  cv::Mat &strength = tracker->strength;
  const int times = picture.cols >= 256 && picture.rows >= 144 ? 2 : 1;
  if (times == 2)
    cv::pyrDown (picture, tracker->half);
  cv::cornerMinEigenVal (times == 2 ? tracker->half : picture, strength,
      times == 2 ? 3 : 5, 3);
  struct Corner { float value; int x, y; };
  std::vector<Corner> cells[cells_x * cells_y];
  const int margin = 8 / times;
  for (int y = margin; y < strength.rows - margin; y++) {
    const float *a = strength.ptr<float> (y - 1), *b = strength.ptr<float> (y),
        *c = strength.ptr<float> (y + 1);
    int cy = y * cells_y / strength.rows;
    for (int x = margin; x < strength.cols - margin; x++) {
      float v = b[x];
      // peaks above what sensor noise makes
      if (v < 1e-4f || v < b[x - 1] || v < b[x + 1] || v < a[x] || v < c[x]
          || v < a[x - 1] || v < a[x + 1] || v < c[x - 1] || v < c[x + 1])
        continue;
      cells[cy * cells_x + x * cells_x / strength.cols].push_back ({ v, x, y });
    }
  }
  for (auto &cell : cells)
    std::sort (cell.begin (), cell.end (), [] (const Corner &p,
            const Corner &q) {
          return p.value != q.value ? p.value > q.value
              : p.y != q.y ? p.y < q.y : p.x < q.x;
        });
  unsigned n = 0;
  for (size_t round = 0; round < 6; round++)
    for (auto &cell : cells)
      if (round < cell.size () && n < max)
        points[n++] = { static_cast<float> (cell[round].x * times),
          static_cast<float> (cell[round].y * times) };
  return n;
} catch (...) {
  return 0;
}

bool
dcnn_tracker_track (DcnnTracker *tracker, unsigned from_slot, unsigned to_slot,
    const DcnnPoint *from, DcnnPoint *to, uint8_t *good, unsigned n,
    bool near, float back_px)
try {
  DcnnTracker &t = *tracker;
  const std::vector<cv::Mat> &a = t.slots.at (from_slot).pyramid;
  const std::vector<cv::Mat> &b = t.slots.at (to_slot).pyramid;
  const cv::TermCriteria stop (cv::TermCriteria::COUNT | cv::TermCriteria::EPS,
      8, 0.03);
  if (n == 0)
    return true;
  t.from.resize (n);
  t.to.resize (n);
  t.back.resize (n);
  for (unsigned i = 0; i < n; i++) {
    t.from[i] = { from[i].x, from[i].y };
    t.to[i] = { to[i].x, to[i].y };
    t.back[i] = t.from[i];
  }
  cv::calcOpticalFlowPyrLK (a, b, t.from, t.to, t.found, t.error, window,
      near ? 1 : levels, stop, cv::OPTFLOW_USE_INITIAL_FLOW, 1e-4);
  cv::calcOpticalFlowPyrLK (b, a, t.to, t.back, t.found_back, t.error, window,
      near ? 0 : 1, stop, cv::OPTFLOW_USE_INITIAL_FLOW, 1e-4);
  for (unsigned i = 0; i < n; i++) {
    float dx = t.back[i].x - t.from[i].x, dy = t.back[i].y - t.from[i].y;
    to[i] = { t.to[i].x, t.to[i].y };
    good[i] = t.found[i] && t.found_back[i]
        && dx * dx + dy * dy <= back_px * back_px
        && to[i].x >= 1 && to[i].y >= 1
        && to[i].x < static_cast<float> (t.width) - 2
        && to[i].y < static_cast<float> (t.height) - 2;
  }
  return true;
} catch (...) {
  return false;
}

bool
dcnn_tracker_shift (DcnnTracker *tracker, unsigned from_slot, unsigned to_slot,
    DcnnPoint *shift, double *response)
try {
  DcnnTracker &t = *tracker;
  const cv::Size size (160, 96);
  cv::resize (t.slots.at (from_slot).picture, t.small_a, size, 0, 0,
      cv::INTER_AREA);
  cv::resize (t.slots.at (to_slot).picture, t.small_b, size, 0, 0,
      cv::INTER_AREA);
  t.small_a.convertTo (t.small_a, CV_32F);
  t.small_b.convertTo (t.small_b, CV_32F);
  if (t.taper.empty ())
    cv::createHanningWindow (t.taper, size, CV_32F);
  cv::Point2d p = cv::phaseCorrelate (t.small_a, t.small_b, t.taper, response);
  shift->x = static_cast<float> (p.x * t.width / size.width);
  shift->y = static_cast<float> (p.y * t.height / size.height);
  return std::isfinite (p.x) && std::isfinite (p.y);
} catch (...) {
  return false;
}

static float
median (std::vector<float> &values)
{
  auto middle = values.begin () + static_cast<ptrdiff_t> (values.size () / 2);
  std::nth_element (values.begin (), middle, values.end ());
  return *middle;
}

static cv::Mat
fit_translation (const std::vector<cv::Point2f> &a,
    const std::vector<cv::Point2f> &b, double threshold,
    std::vector<uchar> &inlier)
{
  std::vector<float> dx, dy;
  for (size_t i = 0; i < a.size (); i++) {
    dx.push_back (b[i].x - a[i].x);
    dy.push_back (b[i].y - a[i].y);
  }
  double x = median (dx), y = median (dy), sum_x = 0, sum_y = 0, n = 0;
  inlier.assign (a.size (), 0);
  for (size_t i = 0; i < a.size (); i++) {
    double px = b[i].x - a[i].x, py = b[i].y - a[i].y;
    if (std::hypot (px - x, py - y) > threshold)
      continue;
    inlier[i] = 1;
    sum_x += px;
    sum_y += py;
    n += 1;
  }
  if (n > 0) {
    x = sum_x / n;
    y = sum_y / n;
  }
  return (cv::Mat_<double> (3, 3) << 1, 0, x, 0, 1, y, 0, 0, 1);
}

static cv::Mat
fit_similarity (const std::vector<cv::Point2f> &a,
    const std::vector<cv::Point2f> &b, double threshold,
    std::vector<uchar> &inlier)
{
  cv::theRNG ().state = 1; // this thread's, which RANSAC seeds itself from
  cv::Mat part = cv::estimateAffinePartial2D (a, b, inlier, cv::RANSAC,
      threshold, 500, 0.999, 10);
  if (part.empty ())
    return part;
  cv::Mat matrix = cv::Mat::eye (3, 3, CV_64F);
  part.copyTo (matrix.rowRange (0, 2));
  return matrix;
}

static cv::Mat
fit_affine (const std::vector<cv::Point2f> &a,
    const std::vector<cv::Point2f> &b, double threshold,
    std::vector<uchar> &inlier)
{
  cv::theRNG ().state = 1;
  cv::Mat part = cv::estimateAffine2D (a, b, inlier, cv::RANSAC, threshold, 500,
      0.999, 10);
  if (part.empty ())
    return part;
  cv::Mat matrix = cv::Mat::eye (3, 3, CV_64F);
  part.copyTo (matrix.rowRange (0, 2));
  return matrix;
}

static cv::Mat
fit_homography (const std::vector<cv::Point2f> &a,
    const std::vector<cv::Point2f> &b, double threshold, int seed,
    std::vector<uchar> &inlier)
{
  cv::UsacParams params;
  params.threshold = threshold;
  params.confidence = 0.999;
  params.maxIterations = 600;
  params.randomGeneratorState = seed;
  params.isParallel = false;
  params.score = cv::SCORE_METHOD_MAGSAC;
  params.sampler = cv::SAMPLING_UNIFORM;
  params.loMethod = cv::LOCAL_OPTIM_SIGMA;
  params.loIterations = 5;
  params.loSampleSize = 50;
  return cv::findHomography (a, b, inlier, params);
}

bool
dcnn_tracker_fit (DcnnTrackerModel model, const DcnnPoint *from,
    const DcnnPoint *to, unsigned n, double threshold_px, int seed,
    double matrix[9], uint8_t *inlier)
try {
  std::vector<cv::Point2f> a (n), b (n);
  std::vector<uchar> mask;
  for (unsigned i = 0; i < n; i++) {
    a[i] = { from[i].x, from[i].y };
    b[i] = { to[i].x, to[i].y };
  }
  if (n < 8)
    return false;
  cv::Mat m = model == DCNN_TRACKER_TRANSLATION
      ? fit_translation (a, b, threshold_px, mask)
      : model == DCNN_TRACKER_AFFINE
      ? fit_affine (a, b, threshold_px, mask)
      : model == DCNN_TRACKER_SIMILARITY
      ? fit_similarity (a, b, threshold_px, mask)
      : fit_homography (a, b, threshold_px, seed, mask);
  if (m.empty () || mask.size () != n)
    return false;
  for (int i = 0; i < 9; i++)
    matrix[i] = m.at<double> (i / 3, i % 3);
  std::copy (mask.begin (), mask.end (), inlier);
  return std::isfinite (matrix[0]);
} catch (...) {
  return false;
}
