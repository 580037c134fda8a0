/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * emulated_lists.cc - the GPU's lists of candidates, run here without a GPU: the
 * kernel's own source, compiled for the processor (../emulated), on random masks
 * against a loop over pixels. Masks, counters and the entries' flags are compared,
 * whatever the order of a list and however many words a warp takes.
 *
 *   emulated_lists [SEED]
 */
#include <map>
#include <string>
#include <vector>

#include "../emulated/instructions.h"

#define cudaFuncGetAttributes(a, ...) ((a)->ptxVersion = 90, cudaSuccess)

/* ---- the kernels --------------------------------------------------------------------------- */

#include "cuda/dcnn_cuda_beside.cu"
#include "cuda/dcnn_cuda_list.cu"

static unsigned words_a_warp; /* of the last launch */

cudaError_t
dcnn_cuda_launch (const void *kernel, dim3 grid, uint32_t threads,
    size_t shared, uint32_t cluster, void **arguments, DcnnCudaQueue)
{
  const DcnnCudaList *lists = *static_cast<DcnnCudaList **> (arguments[0]);
  const DcnnCudaStream *f = *static_cast<DcnnCudaStream **> (arguments[1]);
  uint32_t per = *static_cast<uint32_t *> (arguments[2]);
  EmulatedLaunch launch = { grid, dim3 (threads), shared, cluster,
    [=] { lists_kernel (lists, f, per); } };

  if (kernel != (const void *) lists_kernel)
    return cudaErrorInvalidValue;
  words_a_warp = per;
  emulated_run (launch);
  return cudaSuccess;
}

/* ---- a case -------------------------------------------------------------------------------- */

enum Way { BY_RULE, ONE, THREE, THIRTY_TWO, BESIDE, BESIDE_MORE, WAYS };
static const char *const way_names[] = { "by rule", "1 word", "3 words",
  "32 words", "beside", "beside, more words" };

/* What sources of a list are made of: as a net's own are. */
enum Kind { SAME, AROUND, ONE_WORD, WINDOW, TRANSPOSED, TABLE, ALL, KINDS };

static uint64_t random_state;
static int failures;

static unsigned
any (unsigned n)
{
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned) (random_state >> 33) % n;
}

typedef std::vector<uint64_t> Mask;

/* Some streams have nothing, some little, some much. */
static Mask
new_mask (unsigned width, unsigned height, unsigned streams)
{
  unsigned across = (width + 7) / 8, words = across * ((height + 7) / 8);
  Mask m (words * streams, 0);

  for (unsigned s = 0; s < streams; s++) {
    unsigned share = any (4) == 0 ? 0 : any (3) ? 1 + any (3) : any (100);
    bool corner = any (4) == 0;
    for (unsigned y = 0; y < height; y++)
      for (unsigned x = 0; x < width; x++)
        if (any (100) < share || (corner && y + 1 == height && x + 1 == width))
          m[s * words + y / 8 * across + x / 8] |= 1ull << (y % 8 * 8 + x % 8);
  }
  return m;
}

static bool
has (const uint64_t *m, unsigned across, unsigned words, unsigned s, unsigned y,
    unsigned x)
{
  return m[s * words + y / 8 * across + x / 8] >> (y % 8 * 8 + x % 8) & 1;
}

struct List {
  DcnnCudaList list;
  std::vector<Mask> sources;
  std::vector<std::vector<uint32_t>> tables;
  Mask updated, exact, pending, passed, passed_exact;
  std::vector<DcnnCudaPixel> entries;
  std::vector<uint32_t> candidates, corrections;
  uint32_t count;
};

static void
add_masks (List &l, DcnnCudaSource &q, unsigned streams)
{
  for (int exact = 0; exact < 2; exact++) {
    l.sources.push_back (new_mask (q.width, q.height, streams));
    (exact ? q.exact : q.updated) = l.sources.back ().data ();
  }
}

static const char *
add_source (List &l, Kind kind, unsigned streams)
{
  static const char *const names[] = { "same", "around", "one word", "window",
    "transposed", "table", "all" };
  DcnnCudaList &p = l.list;
  DcnnCudaSource &q = p.sources[p.n_sources++];

  q.width = p.width;
  q.height = p.height;
  q.reach = kind == SAME ? DCNN_CUDA_REACH_SAME :
      kind == ONE_WORD || kind == ALL ? DCNN_CUDA_REACH_ALL :
      kind == TRANSPOSED ? DCNN_CUDA_REACH_TRANSPOSED :
      kind == TABLE ? DCNN_CUDA_REACH_TABLE : DCNN_CUDA_REACH_WINDOW;
  for (int a = 0; a < 2; a++) {
    uint32_t &size = a ? q.width : q.height;
    q.kernel[a] = kind == AROUND ? 3 : 1 + (int) any (6);
    q.stride[a] = kind == AROUND ? 1 : 1 + (int) any (kind == WINDOW ? 6 : 3);
    q.dilation[a] = kind == AROUND ? 1 : 1 + (int) any (3);
    q.pad[a] = kind == AROUND ? 1 : (int) any (4);
    if (kind == ONE_WORD)
      size = 1 + any (8);
    else if (kind == ALL)
      size = 9 + any (30);
    else if (kind == WINDOW)
      size = size * (uint32_t) q.stride[a];
    else if (kind == TRANSPOSED || kind == TABLE)
      size = (size + 1) / 2;
  }
  if (kind == TABLE) {
    q.taps_y = 1 + any (3), q.taps_x = 1 + any (3);
    for (int a = 0; a < 2; a++) {
      std::vector<uint32_t> t ((a ? p.width * q.taps_x : p.height * q.taps_y));
      uint32_t taps = a ? q.taps_x : q.taps_y, size = a ? q.width : q.height;
      for (uint32_t i = 0; i < t.size (); i++)
        t[i] = any (9) == 0 ? UINT32_MAX : min (i / taps / 2 + i % taps,
            size - 1);
      l.tables.push_back (t);
      (a ? q.index_x : q.index_y) = l.tables.back ().data ();
    }
  }
  q.around = kind == AROUND;
  q.blocks_x = (q.width + 7) / 8;
  q.words = q.blocks_x * ((q.height + 7) / 8);
  add_masks (l, q, streams);
  return names[kind];
}

/* Others that reach as the last source does, as the host puts them side by side. Returns
 * how many. */
static unsigned
add_alike (List &l, unsigned most, unsigned streams)
{
  DcnnCudaList &p = l.list;
  const DcnnCudaSource last = p.sources[p.n_sources - 1];
  unsigned words = 1, n = 0;

  for (int a = 0; a < 2; a++) {
    unsigned across = (unsigned) (7 * last.stride[a] +
        (last.kernel[a] - 1) * last.dilation[a] + 7) / 8 + 1;
    words *= across > 7 ? DCNN_CUDA_NEAR + 1 : across;
  }
  if (last.reach != DCNN_CUDA_REACH_WINDOW || last.around || words > DCNN_CUDA_NEAR)
    return 0;
  for (; n < most && any (4); n++) {
    DcnnCudaSource &q = p.sources[p.n_sources++] = last;
    q.follows = 1;
    add_masks (l, q, streams);
  }
  return n;
}

/* sources: of whole words alone, where `whole` says so. */
static std::string
make_list_of (List &l, unsigned width, unsigned height, unsigned streams,
    bool whole, unsigned sources)
{
  DcnnCudaList &p = l.list;
  std::string what;
  unsigned alike = 0;

  memset (&p, 0, sizeof p);
  p.width = width, p.height = height;
  p.blocks_x = (width + 7) / 8;
  p.words = p.blocks_x * ((height + 7) / 8);
  p.by_words = whole;
  for (int a = 0; a < 2 && any (3); a++)
    p.stride[a] = 1 + any (3);
  for (unsigned i = 0; i < sources; i++) {
    what += std::string (i ? ", " : "") + add_source (l,
        (Kind) any (whole ? ONE_WORD + 1 : (unsigned) KINDS), streams);
    unsigned n = add_alike (l, whole ? 0 : DCNN_CUDA_MAX_SOURCES - sources - alike,
        streams);
    alike += n;
    what += n ? " (and " + std::to_string (n) + " alike)" : "";
  }
  l.updated = new_mask (width, height, streams);
  l.exact = new_mask (width, height, streams);
  l.pending = new_mask (width, height, streams);
  l.passed = l.passed_exact = Mask (p.words * streams, ~0ull);
  l.entries.resize ((size_t) width * height * streams + DCNN_CUDA_OVERREAD);
  l.candidates.assign (streams, 5);
  l.corrections.assign (streams, 7);
  l.count = 0;
  unsigned judges = any (3); /* judges, passes on, both */
  if (judges != 1) {
    p.updated = l.updated.data ();
    p.exact = l.exact.data ();
    p.pending = l.pending.data ();
  }
  if (judges != 0) {
    p.passed = l.passed.data ();
    p.passed_exact = l.passed_exact.data ();
  }
  p.list = l.entries.data ();
  p.count = &l.count;
  p.candidates = l.candidates.data ();
  p.corrections = l.corrections.data ();
  return what;
}

/* The same list, its own masks and counters elsewhere. */
static List
copy_of (const List &from)
{
  List l = from;
  DcnnCudaList &p = l.list;

  p.updated = p.updated ? l.updated.data () : NULL;
  p.exact = p.exact ? l.exact.data () : NULL;
  p.pending = p.pending ? l.pending.data () : NULL;
  p.passed = p.passed ? l.passed.data () : NULL;
  p.passed_exact = p.passed_exact ? l.passed_exact.data () : NULL;
  p.list = l.entries.data ();
  p.candidates = l.candidates.data ();
  p.corrections = l.corrections.data ();
  return l; /* sources stay those of `from` */
}

static std::vector<DcnnCudaStream>
make_streams (unsigned n)
{
  std::vector<DcnnCudaStream> streams (n);

  for (DcnnCudaStream &f : streams) {
    memset (&f, 0, sizeof f);
    f.dense = any (6) == 0;
    f.settling = any (3);
    f.band_from = any (8) / 8.0;
    f.band_to = f.band_from + (1 + any (8)) / 8.0;
    f.places = any (2) ? ~0ull : 0;
    for (int i = 0; i < 64 && f.places != ~0ull; i += 8)
      f.places |= (uint64_t) any (256) << i;
    f.turns = 1 + any (3);
    f.turn = any (f.turns);
    for (int a = 0; a < 2 && any (4) == 0; a++)
      f.move[a] = (int) any (40) - 20;
  }
  return streams;
}

/* ---- what it should be --------------------------------------------------------------------- */

static bool
tap_of (const DcnnCudaSource &q, int axis, unsigned o, int k, unsigned *at)
{
  int64_t size = axis ? q.width : q.height, i;

  if (q.reach == DCNN_CUDA_REACH_TABLE) {
    *at = axis ? q.index_x[o * q.taps_x + (unsigned) k] :
        q.index_y[o * q.taps_y + (unsigned) k];
    return *at != UINT32_MAX;
  }
  if (q.reach == DCNN_CUDA_REACH_WINDOW) {
    i = (int64_t) o * q.stride[axis] - q.pad[axis] + k * q.dilation[axis];
  } else {
    i = (int64_t) o + q.pad[axis] - k * q.dilation[axis];
    if (i < 0 || i % q.stride[axis])
      return false;
    i /= q.stride[axis];
  }
  *at = (unsigned) i;
  return i >= 0 && i < size;
}

static bool
is_reached (const DcnnCudaSource &q, const uint64_t *m, unsigned s, unsigned y,
    unsigned x)
{
  bool table = q.reach == DCNN_CUDA_REACH_TABLE;
  int ny = table ? (int) q.taps_y : q.kernel[0];
  int nx = table ? (int) q.taps_x : q.kernel[1];
  unsigned sy, sx;

  if (q.reach == DCNN_CUDA_REACH_SAME)
    return has (m, q.blocks_x, q.words, s, y, x);
  if (q.reach == DCNN_CUDA_REACH_ALL) {
    for (unsigned w = 0; w < q.words; w++)
      if (m[s * q.words + w])
        return true;
    return false;
  }
  for (int ky = 0; ky < ny; ky++)
    for (int kx = 0; kx < nx; kx++)
      if (tap_of (q, 0, y, ky, &sy) && tap_of (q, 1, x, kx, &sx) &&
          has (m, q.blocks_x, q.words, s, sy, sx))
        return true;
  return false;
}

static bool
is_turn (const DcnnCudaStream &f, const DcnnCudaList &p, unsigned y, unsigned x)
{
  int from = (int) (f.band_from * p.height), to = (int) (f.band_to * p.height);

  if (f.settling == 2)
    return (y / 8 * p.blocks_x + x / 8) % f.turns == f.turn;
  if (f.settling && !(f.places >> (y * 8 / p.height * 8 +
              x * 8 / p.width) & 1))
    return false; /* of another cell */
  return f.settling && (((int) y >= from && (int) y < to) ||
      (int) (y + p.height) < to);
}

static bool
is_entering (const DcnnCudaStream &f, const DcnnCudaList &p, unsigned y,
    unsigned x)
{
  if (f.dense)
    return true;
  if (p.stride[0] == 0 || p.stride[1] == 0)
    return false;
  int at_y = (int) y + f.move[0] / (int) p.stride[0];
  int at_x = (int) x + f.move[1] / (int) p.stride[1];
  return at_y < 0 || at_y >= (int) p.height || at_x < 0 ||
      at_x >= (int) p.width;
}

static void
set (Mask &m, const DcnnCudaList &p, unsigned s, unsigned y, unsigned x, bool on)
{
  uint64_t &word = m[s * p.words + y / 8 * p.blocks_x + x / 8];
  uint64_t bit = 1ull << (y % 8 * 8 + x % 8);

  word = on ? word | bit : word & ~bit;
}

static void
plain_pixel (List &l, const DcnnCudaStream &f, unsigned s, unsigned y, unsigned x)
{
  const DcnnCudaList &p = l.list;
  bool enters = is_entering (f, p, y, x), change = enters, correct = false;
  bool pending, turn, all;

  for (uint32_t i = 0; i < p.n_sources; i++) {
    change |= is_reached (p.sources[i], p.sources[i].updated, s, y, x);
    correct |= f.settling &&
        is_reached (p.sources[i], p.sources[i].exact, s, y, x);
  }
  pending = correct || (p.pending &&
      has (l.pending.data (), p.blocks_x, p.words, s, y, x));
  turn = (pending || change) && is_turn (f, p, y, x);
  all = change || turn || (p.passed && correct);
  if (p.pending) {
    set (l.updated, p, s, y, x, false);
    set (l.exact, p, s, y, x, false);
    set (l.pending, p, s, y, x, pending && !change && !turn);
  }
  if (p.passed) {
    set (l.passed, p, s, y, x, change);
    set (l.passed_exact, p, s, y, x, all && !change);
  }
  if (!all)
    return;
  l.candidates[s]++;
  l.corrections[s] += !change;
  l.entries[l.count++] = DcnnCudaPixel { y << 16 | x, s |
    (enters ? DCNN_CUDA_FORCE : 0) | (change ? DCNN_CUDA_CHANGE : 0) |
    (turn ? DCNN_CUDA_EXACT : 0) };
}

static void
plain (List &l, const std::vector<DcnnCudaStream> &streams)
{
  const DcnnCudaList &p = l.list;

  /* words that are set anew have nothing outside of the map */
  for (Mask *m : { p.passed ? &l.passed : NULL, p.passed ? &l.passed_exact : NULL })
    if (m)
      std::fill (m->begin (), m->end (), 0);
  for (unsigned s = 0; s < streams.size (); s++)
    for (unsigned y = 0; y < p.height; y++)
      for (unsigned x = 0; x < p.width; x++)
        plain_pixel (l, streams[s], s, y, x);
}

/* ---- running ------------------------------------------------------------------------------- */

static void
run (std::vector<List> &lists, const std::vector<DcnnCudaStream> &streams,
    Way way)
{
  std::vector<DcnnCudaList> described;
  uint32_t most = 0, n_streams = (uint32_t) streams.size ();
  const DcnnCudaStream *f = streams.data ();

  for (List &l : lists) {
    l.list.count = &l.count;
    described.push_back (l.list);
    most = max (most, l.list.words);
  }
  const DcnnCudaList *d = described.data ();
  uint32_t n = (uint32_t) described.size ();
  if (way == BY_RULE) {
    (void) dcnn_cuda_lists (d, n, most, n_streams, f, DcnnCudaQueue {});
  } else if (way >= BESIDE) {
    DcnnCudaBeside beside = { d, f, n, n_streams, 0, 0, 0 };
    DcnnCudaConv conv;
    memset (&conv, 0, sizeof conv);
    conv.ranks = 3, conv.splits = 1;
    uint32_t all = n * n_streams * ((most + WARPS - 1) / WARPS) + 2;
    DcnnCudaDevice device = { way == BESIDE ? all : (all + 1) / 2, 0, false,
      false };
    (void) dcnn_cuda_beside_shape (&conv, most, &beside, &device);
    words_a_warp = beside.per;
    emulated_run (EmulatedLaunch { dim3 (beside.blocks), dim3 (WARPS * 32),
      sizeof (ListRoom), 1,
      [=] { make_lists_beside (beside, blockIdx.x, emulated_shared); } });
  } else {
    uint32_t per = way == ONE ? 1 : way == THREE ? 3 : 32;
    words_a_warp = per;
    emulated_run (EmulatedLaunch { dim3 ((most + WARPS * per - 1) /
        (WARPS * per), n_streams, n), dim3 (WARPS * 32), 0, 1,
      [=] { lists_kernel (d, f, per); } });
  }
}

static std::map<uint64_t, int>
set_of (const List &l)
{
  std::map<uint64_t, int> entries;

  for (uint32_t i = 0; i < l.count && i < l.entries.size (); i++)
    entries[(uint64_t) l.entries[i].stream << 32 | l.entries[i].at]++;
  return entries;
}

static const char *
difference (const List &is, const List &want)
{
  return is.count != want.count ? "count" :
      set_of (is) != set_of (want) ? "entries" :
      is.candidates != want.candidates ? "candidates" :
      is.corrections != want.corrections ? "corrections" :
      is.updated != want.updated ? "updated" :
      is.exact != want.exact ? "exact" :
      is.pending != want.pending ? "pending" :
      is.passed != want.passed ? "passed" :
      is.passed_exact != want.passed_exact ? "passed_exact" :
      NULL;
}

/* several[way]: cases of more than one word a warp. */
static void
run_case (uint64_t seed, unsigned width, unsigned height, unsigned streams,
    bool whole, unsigned sources, unsigned *several)
{
  std::vector<List> lists (3);
  std::vector<std::string> what;

  random_state = seed * 77 + width * 3 + streams * 5 + whole;
  for (List &l : lists) /* the others smaller */
    what.push_back (make_list_of (l, &l == &lists[0] ? width : 1 + any (width),
            &l == &lists[0] ? height : 1 + any (height), streams, whole,
            sources ? sources : 1 + any (3)));
  std::vector<DcnnCudaStream> f = make_streams (streams);
  std::vector<List> want;
  for (const List &l : lists)
    want.push_back (copy_of (l));
  for (List &l : want)
    plain (l, f);
  /* what is made of words must be what any reach makes of it, too */
  for (int by_words = whole; by_words >= 0; by_words--)
    for (int way = 0; way < WAYS; way++) {
      std::vector<List> is;
      /* what is slow here, and shows nothing new */
      if (((whole && !by_words) || (streams == 12 && width == 96)) &&
          way != BY_RULE && way != THIRTY_TWO)
        continue;
      for (const List &l : lists) {
        is.push_back (copy_of (l));
        is.back ().list.by_words = (uint32_t) by_words;
      }
      run (is, f, (Way) way);
      several[way] += words_a_warp > 1;
      for (size_t i = 0; i < is.size (); i++) {
        const char *wrong = difference (is[i], want[i]);
        if (wrong)
          failures++, printf ("FAIL seed %llu %s%s: %s; %ux%u of %u streams, "
              "from %s\n", (unsigned long long) seed, way_names[way],
              by_words ? ", by words" : "", wrong, want[i].list.height,
              want[i].list.width, streams, what[i].c_str ());
      }
    }
}

int
main (int argc, char **argv)
{
  static const unsigned sizes[][2] = { { 1, 1 }, { 9, 7 }, { 8, 8 },
    { 40, 17 }, { 96, 96 } };
  static const unsigned n_streams[] = { 1, 3, 40 };
  uint64_t seed = argc > 1 ? strtoull (argv[1], NULL, 10) : 1;
  unsigned several[WAYS] = { 0 };

  for (const unsigned *size : sizes)
    for (unsigned streams : n_streams)
      for (int whole = 0; whole < 2; whole++)
        run_case (seed, size[0], size[1], size[0] == 96 && streams == 40 ? 12 :
            streams, whole, 0, several);
  /* as many sources as there can be, of more slots than a warp has lanes */
  for (int whole = 0; whole < 2; whole++)
    run_case (seed, 20, 24, 2, whole, DCNN_CUDA_MAX_SOURCES, several);
  for (int way = 0; way < WAYS; way++)
    if (way != ONE && way != BESIDE && several[way] == 0)
      failures++, printf ("no case of several words a warp %s\n",
          way_names[way]);
  printf ("%d failures\n", failures);
  return failures != 0;
}
