/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * deltacnn-bench: how much work and time a model needs on a clip, sparse and
 * dense, and how far apart their results are. */
#include "bench.h"
#include "output.h"

#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>

static BenchOptions chosen = { .synthetic = -1, .score = -1 };

static const GOptionEntry entries[] = {
  { "model", 'm', 0, G_OPTION_ARG_FILENAME, &chosen.model,
      "ONNX file, or name of an installed model", "M" },
  { "clip", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &chosen.clips,
      "Video file, folder of numbered .jpg, /dev/videoN or rtsp://...; with "
      "--streams several", "C" },
  { "synthetic", 0, 0, G_OPTION_ARG_FILENAME, &chosen.synthetic_text,
      "Instead: a picture in which this share (0..1, or 5%) changes; with "
      "--streams a list with commas", "SHARE" },
  { "align", 'a', 0, G_OPTION_ARG_NONE, &chosen.align,
      "For moving cameras: find the motion as framealign does, and measure the "
      "same clip without, too", NULL },
  { "compare", 0, 0, G_OPTION_ARG_NONE, &chosen.compare,
      "Count what RRM, CBInfer, Skip-Convolutions, DeltaCNN and, with --align, "
      "MotionDeltaCNN would compute, move and keep", NULL },
  { "annotations", 0, 0, G_OPTION_ARG_FILENAME, &chosen.annotations,
      "With --align: a folder of numbered .png, white where the thing is, one a "
      "frame; how well masks cover it", "DIR" },
  { "streams", 0, 0, G_OPTION_ARG_INT, &chosen.streams,
      "Videos side by side, a frame of each as one batch", "N" },
  { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &chosen.rate,
      "How many streams of the clips are taken at so many frames a second each "
      "(at most --streams)", "FPS" },
  { "energy", 0, 0, G_OPTION_ARG_NONE, &chosen.energy,
      "With --streams or --rate on an NVIDIA GPU: joules a frame, by NVML; some "
      "seconds for each figure", NULL },
  { "host-pictures", 0, 0, G_OPTION_ARG_NONE, &chosen.host_pictures,
      "With --rate on a GPU: pictures come from the host's memory, not from the "
      "GPU's, where a decoder there leaves them", NULL },
  { "size", 's', 0, G_OPTION_ARG_FILENAME, &chosen.size,
      "Network input size instead of the descriptor's", "WxH" },
  { "frames", 'n', 0, G_OPTION_ARG_INT, &chosen.frames,
      "Stop after N frames (default: all; cameras 300)", "N" },
  { "skip", 0, 0, G_OPTION_ARG_INT, &chosen.skip,
      "Leave out the first N frames", "N" },
  { "mode", 0, 0, G_OPTION_ARG_FILENAME, &chosen.mode_text,
      "both (default), sparse or dense", "MODE" },
  { "device", 0, 0, G_OPTION_ARG_FILENAME, &chosen.device,
      "auto (default), or one of those below; NAME:1 is the second GPU of its "
      "kind", "D" },
  { "precision", 0, 0, G_OPTION_ARG_FILENAME, &chosen.precision_text,
      "How feature maps are stored: auto (default), f32; on a GPU also f16, bf16",
      "P" },
  { "threads", 't', 0, G_OPTION_ARG_INT, &chosen.threads,
      "Threads, the peer's too (default: one a core)", "N" },
  { "peer", 'p', 0, G_OPTION_ARG_FILENAME, &chosen.peer,
      "Beside: onnxruntime or openvino, one inference a frame", "ENGINE" },
  { "python", 0, 0, G_OPTION_ARG_FILENAME, &chosen.python,
      "Python that has the peer (default: $DELTACNN_PYTHON, python3)", "FILE" },
  { "set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &chosen.set,
      "Set a tuning key, see below; may be repeated", "KEY=VALUE" },
  { "score", 0, 0, G_OPTION_ARG_DOUBLE, &chosen.score,
      "Least score of what is compared (default: the descriptor's)", "S" },
  { "json", 'j', 0, G_OPTION_ARG_FILENAME, &chosen.json,
      "Write the figures as JSON; - is standard output", "FILE" },
  { "plot", 'o', 0, G_OPTION_ARG_FILENAME, &chosen.plot,
      "Draw time and work of every frame, .png or .svg", "FILE" },
  { "nodes", 0, 0, G_OPTION_ARG_NONE, &chosen.nodes,
      "Print the table of all nodes, not only of the twelve slowest", NULL },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &chosen.quiet,
      "No progress on standard error", NULL },
  { NULL }
};

static const char summary_text[] =
    "Runs a model on every frame of a clip, once recomputing only what changed\n"
    "and once from scratch, in turn in one process, and compares time, work and\n"
    "results. Times are medians a frame, conversion and scaling of the picture\n"
    "included; the first frame is left out.\n"
    "\n"
    "A peer's time is one inference on an input prepared beforehand: its scaling\n"
    "and colour conversion are not in it, ours are. \"inference\" compares what both\n"
    "do: the peer with dense frames without their input stage, frame by frame.";

static const char examples[] =
    "JSON: frames, changed_share, mac_share, sparse_ms, dense_ms, peer_ms,\n"
    "agreement (iou, keypoint_px, keypoint_f1, pose_f1, f1, f1_near, top1,\n"
    "same_text, relative_rms, max_abs as they apply), state_bytes, peak_rss_bytes,\n"
    "nodes, and more. dense_input_ms is the input stage's part of dense_ms,\n"
    "inference_peer the peer's time over the rest. Shares are 0..1. keypoint_px\n"
    "counts pixels of the network's input, keypoint_frame_px of the clip;\n"
    "keypoint_f1 is 1 when both runs are sure of the same points. relative_rms\n"
    "takes every output alike: floats by the rms of the difference to that of the\n"
    "output, other types by the share that differs.\n"
    "With --align also aligned_frames, reanchors, lost_frames, resets, aside_frames,\n"
    "unaligned_mac_share (the same clip and settings, not aligned), align_ms;\n"
    "agreement is then with dense runs of the same window, which is what the\n"
    "sparse results can be; agreement_camera with dense runs of the camera's own\n"
    "picture, results led back onto it; agreement_window_camera of the window's\n"
    "dense runs with those (what sampling alone does), agreement_unaligned of the\n"
    "unaligned session's. annotation_iou (aligned, dense_window, unaligned, dense)\n"
    "with --annotations.\n"
    "With --streams and --energy also joules_per_frame and watts of each point: of\n"
    "the whole GPU, batches one after the other. With --rate: streams, the most of\n"
    "which 19 of 20 batches of a frame of each are done in time, with all results;\n"
    "joules_per_frame and watts then at that rate, idle times included.\n"
    "With --compare also compare: method, aligned, mac_share, frame_bytes,\n"
    "state_bytes; all by the same thresholds, at every pixel of every map, so that\n"
    "their results are alike; relative_rms of the outputs against dense runs.\n"
    "\n"
    "Examples:\n"
    "  deltacnn-bench --model people-seg --clip street.mp4 --plot street.png\n"
    "  deltacnn-bench --model net.onnx --synthetic 0.05 --frames 100\n"
    "  deltacnn-bench --model net.onnx --streams 16 --json -\\\n"
    "      --synthetic 0%,1%,5%,25%,100% --set dilation=0 --set settle=0\n"
    "  deltacnn-bench --model net.onnx --rate 25 --energy \\\n"
    "      --clip street.mp4 --clip shop.mp4\n"
    "  deltacnn-bench --model net.onnx --clip in.mp4 --peer onnxruntime \\\n"
    "      --set threshold=0.1 --json -";

static gboolean
check_peer (GError **error)
{
  if (!chosen.peer || g_str_equal (chosen.peer, "onnxruntime")
      || g_str_equal (chosen.peer, "openvino"))
    return TRUE;
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "--peer %s: onnxruntime or openvino", chosen.peer);
  return FALSE;
}

/* "0.05", "5%", or a list of these. */
static gboolean
parse_shares (GError **error)
{
  if (!chosen.synthetic_text)
    return TRUE;
  chosen.shares = g_array_new (FALSE, FALSE, sizeof (double));
  g_auto (GStrv) parts = g_strsplit (chosen.synthetic_text, ",", -1);
  gboolean good = parts[0] != NULL;
  for (guint i = 0; good && parts[i]; i++) {
    char *end;
    double share = g_ascii_strtod (parts[i], &end);
    if (*end == '%') {
      share /= 100;
      end++;
    }
    good = end != parts[i] && !*end && share >= 0 && share <= 1;
    g_array_append_val (chosen.shares, share);
  }
  if (good)
    chosen.synthetic = g_array_index (chosen.shares, double, 0);
  else
    g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
        "--synthetic %s: a share of 0 to 1, or 0%% to 100%%; with --streams "
        "several with commas", chosen.synthetic_text);
  return good;
}

/* What only one of the two ways of measuring knows. */
static const char *
check_streams (void)
{
  gboolean many = chosen.streams || chosen.rate != 0;
  if (chosen.streams < 0 || chosen.streams > 1024)
    return "--streams: 1 to 1024";
  if (chosen.rate != 0 && !(chosen.rate >= 0.1 && chosen.rate <= 1e6))
    return "--rate: 0.1 to 1000000 frames a second";
  if (chosen.rate != 0 && (!chosen.clips || chosen.align || chosen.compare
          || chosen.peer || chosen.plot))
    return "--rate goes by clips (--clip), and not with --align, --compare, "
        "--peer nor --plot";
  if (chosen.energy && !many)
    return "--energy needs --streams or --rate";
  if (chosen.host_pictures && chosen.rate == 0)
    return "--host-pictures needs --rate";
  if (chosen.streams && (chosen.peer || chosen.plot))
    return "--peer and --plot go by single frames: not with --streams "
        "(gpu_figures.py compares and draws)";
  if (chosen.align && (chosen.streams
          || g_strcmp0 (chosen.mode_text, "dense") == 0))
    return "--align measures one stream, sparse: not with --streams nor "
        "--mode dense";
  if (chosen.compare && (chosen.streams
          || g_strcmp0 (chosen.mode_text, "dense") == 0
          || (chosen.device && !g_str_has_prefix (chosen.device, "cpu")
              && !g_str_has_prefix (chosen.device, "auto"))))
    return "--compare counts one stream, sparse, by the cpu's masks: not with "
        "--streams, --mode dense nor a GPU";
  if (chosen.annotations && (!chosen.align || chosen.mode_text))
    return "--annotations needs --align and both modes";
  if (!many && chosen.clips && g_strv_length (chosen.clips) > 1)
    return "several clips need --streams or --rate";
  if (!chosen.streams && chosen.shares && chosen.shares->len > 1)
    return "several shares need --streams";
  return NULL;
}

static gboolean
check_files (GError **error)
{
  const ToolFile outputs[] = { { "--json", chosen.json },
    { "--plot", chosen.plot } };
  g_autofree char *model = dcnn_model_find_file (chosen.model, NULL);
  g_autoptr (GArray) inputs = g_array_new (FALSE, FALSE, sizeof (ToolFile));
  ToolFile input = { "--model", model };
  g_array_append_val (inputs, input);
  for (guint i = 0; chosen.clips && chosen.clips[i]; i++) {
    input = (ToolFile) { "--clip", chosen.clips[i] };
    g_array_append_val (inputs, input);
  }
  return tool_check_files (outputs, G_N_ELEMENTS (outputs),
      &g_array_index (inputs, ToolFile, 0), inputs->len, error);
}

static gboolean
check_options (GError **error)
{
  static const char *const modes[] = { "both", "sparse", "dense" };
  const char *problem = NULL;
  if (!parse_shares (error))
    return FALSE;
  chosen.clip = chosen.clips ? chosen.clips[0] : NULL;
  if (!chosen.model)
    problem = "--model is missing (an ONNX file or a model's name)";
  else if (!chosen.clip == !chosen.shares)
    problem = "one of --clip and --synthetic is needed, and not both";
  else if (chosen.frames < 0)
    problem = "--frames: not negative; 0 are all";
  else if (chosen.skip < 0)
    problem = "--skip: not negative";
  else if (chosen.threads < 0 || chosen.threads > 1024)
    problem = "--threads: 0 (one a core) to 1024";
  else if (chosen.plot && !g_str_has_suffix (chosen.plot, ".png")
      && !g_str_has_suffix (chosen.plot, ".svg"))
    problem = "--plot: a name that ends in .png or .svg";
  else if (chosen.score != -1 && !(chosen.score >= 0 && chosen.score <= 1))
    problem = "--score: 0 to 1";
  else
    problem = check_streams ();
  if (problem) {
    g_set_error_literal (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT, problem);
    return FALSE;
  }
  guint width, height;
  DcnnSessionOptions scratch;
  dcnn_session_options_init (&scratch);
  if (!dcnn_device_check (chosen.device, error)
      || !tool_parse_precision (chosen.precision_text, &chosen.precision,
          error)
      || !tool_parse_size (chosen.size, &width, &height, error)
      || !tool_set_tunings (&scratch.tuning, chosen.set, error)
      || !check_files (error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++) {
    if (!chosen.mode_text || g_str_equal (chosen.mode_text, modes[i])) {
      chosen.mode = (BenchMode) i;
      return check_peer (error);
    }
  }
  g_set_error (error, DCNN_ERROR, DCNN_ERROR_ARGUMENT,
      "--mode %s: both, sparse or dense", chosen.mode_text);
  return FALSE;
}

static gboolean
measure (GError **error)
{
  BenchRun run;
  gboolean to_stdout = g_strcmp0 (chosen.json, "-") == 0;
  if (chosen.streams || chosen.rate > 0) {
    gboolean measured = chosen.rate > 0 ? bench_rate (&run, &chosen, error) :
        bench_batch (&run, &chosen, error);
    bench_run_clear (&run);
    return measured;
  }
  gboolean good = bench_run (&run, &chosen, error);
  if (good && !to_stdout)
    bench_print (&run);
  if (good && chosen.json)
    good = bench_json (&run, chosen.json, error);
  if (good && chosen.plot)
    good = bench_plot (&run, chosen.plot, error);
  bench_run_clear (&run);
  return good;
}

/* Returns new. */
static char *
devices_help (void)
{
  GString *text = g_string_new ("Devices:\n");
  const DcnnDeviceKind *kind;
  for (guint i = 0; (kind = dcnn_device_kind (i)); i++)
    g_string_append_printf (text, "  %-6s %s\n", kind->name, kind->what);
  return g_string_free (text, FALSE);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *keys = tool_tuning_help ();
  g_autofree char *devices = devices_help ();
  g_autofree char *description = g_strconcat (devices, "\n", keys, "\n",
      examples, NULL);
  if (!tool_parse_options (summary_text, description, entries, &argc, &argv,
          &error) || !check_options (&error)) {
    tool_fail ("deltacnn-bench", &error);
    return 2;
  }
  if (chosen.peer)
    signal (SIGPIPE, SIG_IGN); /* a peer that dies is an error, not our end */
  gst_init (NULL, NULL);
  return measure (&error) ? 0 : tool_fail ("deltacnn-bench", &error);
}
