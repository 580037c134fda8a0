# SPDX-License-Identifier: LGPL-2.1-or-later
"""The steps of gpu_check.py that are pipelines: an element whose calls of CUDA
fail, one frame ahead, pictures that stay in the GPU's memory from decoder to
network, and how many streams go through both at a rate. And what the GPU holds
while a session runs, which is compared with what was predicted.

gpu_check.py's Check and Programs are handed in; standard library only."""
import ctypes
import os
import re
import shutil
import subprocess
import time

MIB = 2**20
# Of what is held beside what is predicted, by the difference of two sessions:
# every large array's last page is in both.
MEMORY_TOLERANCE = 0.05
MEMORY_STREAMS = (17, 65)
# Steps that are programs with the plugin in themselves.
IN_ONE = {"element-fail": "gst-cuda_fail", "element-align": "gst-cuda_align"}
# GST_MAP_CUDA, of a buffer's memory in the GPU.
CUDA_FLAG = 0x20000


def first_visible():
    """The driver's number of the GPU that CUDA calls 0."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(first) if first.isdigit() else 0


class Nvml:
    """The driver's own counters of CUDA's GPU 0: None where it has none."""

    def __init__(self):
        self.library, self.device = None, ctypes.c_void_p()
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
        except OSError:
            return
        if library.nvmlInit_v2() == 0 and library.nvmlDeviceGetHandleByIndex_v2(
                first_visible(), ctypes.byref(self.device)) == 0:
            self.library = library

    def used_bytes(self):
        memory = (ctypes.c_ulonglong * 3)()  # all, free, used
        if self.library and self.library.nvmlDeviceGetMemoryInfo(
                self.device, ctypes.byref(memory)) == 0:
            return memory[2]
        return None

    def joules(self):
        millijoules = ctypes.c_ulonglong()
        if self.library and self.library.nvmlDeviceGetTotalEnergyConsumption(
                self.device, ctypes.byref(millijoules)) == 0:
            return millijoules.value / 1000
        return None


def launcher(programs):
    """gst-launch-1.0 and its environment."""
    if programs.bundle:
        return [programs.path("gst-launch-1.0")], {}
    return [shutil.which("gst-launch-1.0") or "gst-launch-1.0"], {
        "GST_PLUGIN_PATH": str(programs.root / "gst"),
        "GST_REGISTRY": str(programs.root / "gpu-check.registry")}


def element(chosen, more=""):
    """deltacnn with the first model."""
    model, _, size = chosen.models[0].partition("@")
    width, _, height = size.partition("x")
    return (f"deltacnn name=d model={model} device={chosen.device}" + (
        f" input-width={width} input-height={height}" if size else "") +
            (" " + more if more else "")).split()


# ---- memory ------------------------------------------------------------------


def per_stream(held):
    """Bytes a stream, of what was held with few and with many."""
    few, many = min(held), max(held)
    return (held[many] - held[few]) / (many - few)


def compare(held, predicted):
    """Why what a stream holds is not what was predicted."""
    share = held / predicted - 1
    print(f"         a stream: {held / MIB:.1f} MiB held, {predicted / MIB:.1f}"
          f" predicted", flush=True)
    return "" if abs(share) <= MEMORY_TOLERANCE else \
        f"{held / MIB:.1f} MiB a stream held, {predicted / MIB:.1f} predicted"


def most_used(command, environment, limit, log, nvml):
    """The most bytes that the GPU had in use while a program ran, beyond what
    it had before; None: the program failed."""
    before = most = nvml.used_bytes()
    with log.open("a", encoding="utf-8") as file:
        with subprocess.Popen([str(c) for c in command], stdout=file,
                              stderr=subprocess.STDOUT, env=environment,
                              stdin=subprocess.DEVNULL) as running:
            until = time.monotonic() + limit
            while running.poll() is None:
                most = max(most, nvml.used_bytes())
                if time.monotonic() > until:
                    running.kill()
                time.sleep(0.02)
    return most - before if running.returncode == 0 else None


def predicted_bytes(check, programs, model, size, log):
    status, text = check.command(
        [programs.path("deltacnn-inspect"), model,
         *(["--size", size] if size else []), "--json"], {}, 60, log)
    found = re.search(r'"gpu_stream_bytes" : (\d+)', text)
    return int(found[1]) if status == 0 and found else None


def run_memory(check, programs, models, nvml):
    for one in models:
        model, _, size = str(one).partition("@")
        name = "held-" + re.sub(r"\W+", "-", model.rsplit("/", 1)[-1])
        log = check.logs / f"{name}.log"
        if not check.wanted(name):
            continue
        if nvml.used_bytes() is None:
            check.note(name, "skipped", why="NVML tells no memory")
            continue
        start, why, held = time.monotonic(), "", {}
        predicted = predicted_bytes(check, programs, model, size, log)
        for streams in MEMORY_STREAMS:
            held[streams] = most_used(
                [programs.path("deltacnn-bench"), "--model", model,
                 *(["--size", size] if size else []), "--device",
                 check.chosen.device, "--streams", str(streams), "--frames",
                 "8", "--synthetic", "5%", "--mode", "sparse"], check.environment(), 90, log, nvml)
        if predicted is None or None in held.values():
            why = "inspect or bench failed: see the log"
        else:
            why = compare(per_stream(held), predicted)
        check.note(name, "FAILED" if why else "passed",
                   time.monotonic() - start, why)


# ---- pipelines ----------------------------------------------------------------


def same_results(folder):
    """Why one frame ahead gives other results; times and costs aside."""
    def results(name):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        return [re.sub(r'"(time|\w*_ns|\w*_ms|latency\w*|late\w*)": ?("[^"]*"|[-\d.e+]+)', "",
                       line) for line in lines]

    a, b = results("in-turn.jsonl"), results("ahead.jsonl")
    if not a:
        return "no results"
    if len(a) != len(b):
        return f"{len(b)} frames ahead, {len(a)} in turn"
    other = [i for i, pair in enumerate(zip(a, b)) if pair[0] != pair[1]]
    return f"frame {other[0]} of {len(a)} differs" if other else ""


def run_ahead(check, programs):
    """pipelined=true gives what pipelined=false gives."""
    launch, environment = launcher(programs)
    for name, ahead in (("in-turn", "false"), ("ahead", "true")):
        file = check.chosen.out / f"{name}.jsonl"
        if check.wanted(f"pipelined-{name}") and file.exists():
            file.unlink()
        check.step(f"pipelined-{name}", [
            *launch, "videotestsrc", "num-buffers=200", "pattern=ball", "!",
            "video/x-raw,format=NV12,width=640,height=480,framerate=25/1", "!",
            *element(check.chosen, f"pipelined={ahead} results-location={file}"),
            "!", "fakesink"], 90, environment,
            (lambda text: same_results(check.chosen.out))
            if name == "ahead" else None)


def maps_of(text, pad="d:sink"):
    """How often the buffers that came to a pad were mapped in the GPU's memory,
    and in the host's, while they were there."""
    there, counts = None, [0, 0]
    for line in text.splitlines():
        came = re.search(rf"<{pad}> calling chainfunction .* (0x[0-9a-f]+), pts",
                         line)
        left = re.search(rf"<{pad}> called chainfunction", line)
        mapped = re.search(r"gst_buffer_map_range: buffer (0x[0-9a-f]+), .*"
                           r"flags ([0-9a-f]+)", line)
        if came:
            there = came[1]
        elif left:
            there = None
        elif mapped and mapped[1] == there:
            counts[not int(mapped[2], 16) & CUDA_FLAG] += 1
    return counts


def stays(text, down=0):
    """Why a trace does not show that pictures stayed in the GPU's memory; down:
    how often an element before is known to have mapped them on the host."""
    there, down = maps_of(text)[0], down + maps_of(text)[1]
    print(f"         maps of pictures: {there} in the GPU, {down} on the host",
          flush=True)
    return "" if there > 0 and down == 0 else \
        f"{there} maps in the GPU, {down} on the host"


def comes_down(text):
    """The same check must see pictures that do come down."""
    there, down = maps_of(text)
    return "" if down > 0 and there == 0 else \
        f"{there} maps in the GPU, {down} on the host"


def kind_of(clip):
    """h264 or h265, by the name of its sample description."""
    data = clip.read_bytes()
    return "h265" if b"hev1" in data or b"hvc1" in data else "h264"


def decoded(clip):
    """An MP4 clip in the GPU's memory."""
    kind = kind_of(clip)
    return ["filesrc", f"location={clip}", "!", "qtdemux", "!", f"{kind}parse",
            "!", f"nv{kind}dec", "!",
            "video/x-raw(memory:CUDAMemory),format=NV12"]


TRACE = {"GST_DEBUG": "GST_BUFFER:6,GST_SCHEDULING:5", "GST_DEBUG_NO_COLOR":
         "1"}


def run_decoded(check, programs, clip):
    """Pictures go from NVDEC to the network without the host; the control
    shows that the trace would show them (cudadownload alone leaves them where
    they are, since deltacnn takes them there)."""
    launch, environment = launcher(programs)
    check.step("decoded", [
        *launch, *decoded(clip), "!", *element(check.chosen), "!", "fakesink"],
        90, {**environment, **TRACE}, stays)
    check.step("decoded-aligned", [
        *launch, *decoded(clip), "!", "framealign", "name=a", "!",
        *element(check.chosen), "!", "fakesink"], 90,
        {**environment, **TRACE},
        lambda text: stays(text, maps_of(text, "a:sink")[1]))
    check.step("decoded-control", [
        *launch, *decoded(clip), "!", "cudadownload", "!", "videoscale", "!",
        "video/x-raw,format=NV12,width=640,height=480", "!",
        *element(check.chosen), "!", "fakesink"], 90,
        {**environment, **TRACE}, comes_down)


def seconds_of(text):
    """How long a pipeline played, its start aside; None: it did not end."""
    found = re.search(r"Execution ended after (\d+):(\d+):([\d.]+)", text)
    return None if not found else \
        int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def play(command, environment, limit, nvml):
    """Seconds that a pipeline played, and joules meanwhile."""
    joules = [None, None]
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=environment, text=True,
                          stdin=subprocess.DEVNULL) as running:
        until, text = time.monotonic() + limit, ""
        for line in running.stdout:
            text += line
            if "Setting pipeline to PLAYING" in line:
                joules[0] = nvml.joules()
            elif "Execution ended" in line:
                joules[1] = nvml.joules()
            if time.monotonic() > until:
                running.kill()
    spent = None if None in joules else joules[1] - joules[0]
    seconds = seconds_of(text)
    return (seconds if running.returncode == 0 else None), spent, text


def run_chains(check, programs, clip, frames, nvml):
    """As many whole chains (decoder and network) in one process as reach the
    rate, by doubling, and joules a frame."""
    chosen, rate = check.chosen, float(check.chosen.rate)
    launch, environment = launcher(programs)
    name = "chains-" + clip.stem
    if not check.wanted(name):
        return
    start, best, why, streams = time.monotonic(), 0, "", 1
    log = check.logs / f"{name}.log"
    log.write_text("")
    while not why and streams <= 256 and time.monotonic() < check.until - 30:
        chain = [*decoded(clip), "!", *element(chosen), "!", "fakesink",
                 "sync=false"]
        chain.remove("name=d")
        seconds, joules, text = play(
            launch + chain * streams, {**check.environment(), **environment},
            90, nvml)
        with log.open("a", encoding="utf-8") as file:
            file.write(text)
        if seconds is None:
            why = f"{streams} chains did not end well: see the log"
            break
        each = frames / seconds
        print(f"         {streams} chains: {each:.1f} frames/s each" + (
            f", {joules / frames / streams:.3f} J a frame" if joules else ""),
            flush=True)
        if each < rate:
            break
        best, streams = streams, streams * 2
    if best == 0 and not why:
        why = f"not one chain reaches {rate:g} frames/s"
    check.note(name, "FAILED" if why else "passed", time.monotonic() - start,
               why or f"{best} at {rate:g} frames/s")


def frames_of(clip):
    """Pictures of an MP4 file: the longest of its tables of sample sizes."""
    data = clip.read_bytes()
    counts = [int.from_bytes(data[m.start() + 12:m.start() + 16], "big")
              for m in re.finditer(b"stsz", data)]
    return max((n for n in counts if 0 < n < 10**6), default=0)


def run_in_one(check, programs, step, name):
    """A test that has the elements in itself, so it must not find the plugin
    beside the others."""
    command, environment = programs.ways(name)[0]
    if programs.bundle:
        command, environment = programs.ways(name)[1]
        others = check.chosen.out / "other-plugins"
        others.mkdir(exist_ok=True)
        for file in (programs.root / "plugins").iterdir():
            if file.name != "libgstdeltacnn.so" and \
                    not (others / file.name).exists():
                (others / file.name).symlink_to(file)
        environment = {**environment, "GST_PLUGIN_SYSTEM_PATH": str(others),
                       "GST_REGISTRY": str(check.chosen.out / "registry"),
                       "GST_REGISTRY_FORK": "no"}
    check.step(step, command, 240, {**environment, "GST_PLUGIN_PATH": ""})


def run_pipelines(check, programs):
    """All of them; what needs a GPU only where there is one."""
    chosen, nvml = check.chosen, Nvml()
    on_gpu = chosen.device.startswith("cuda")
    for step, name in IN_ONE.items():
        if on_gpu and programs.path(name).exists():
            run_in_one(check, programs, step, name)
    if not chosen.models:
        return
    run_ahead(check, programs)
    if not on_gpu:
        return
    run_memory(check, programs, chosen.models, nvml)
    clips = [c for c in map(type(chosen.out), chosen.decode) if c.exists()]
    if clips:
        run_decoded(check, programs, clips[0])
    for clip in clips:
        run_chains(check, programs, clip, frames_of(clip), nvml)
