#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""deltacnn-models against a local HTTP server that misbehaves on demand.

  models_tool_test.py [TestCase.test...]     runs offline, stops by itself
"""
import hashlib
import http.server
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
TOOL = os.path.join(ROOT, "tools", "deltacnn-models")
BODY = bytes((i * 7 + (i >> 8)) & 255 for i in range(300_000))
LIMIT = 60  # seconds for any one command


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /BEHAVIOUR/file.onnx; what was asked is kept in server.seen."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        behaviour = self.path.split("/")[1]
        with self.server.lock:
            self.server.seen.append((behaviour, self.headers.get("Range")))
            count = sum(1 for b, _ in self.server.seen if b == behaviour)
        getattr(self, "do_" + behaviour)(count)

    def start(self):
        text = self.headers.get("Range")
        return int(text[len("bytes="):-1]) if text else 0

    def answer(self, body=BODY, start=None, length=None, status=None, headers=()):
        start = self.start() if start is None else start
        self.send_response(status or (206 if start else 200))
        if start:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(body) - 1, len(body)))
        self.send_header("Content-Length", str(len(body) - start if length is None else length))
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        return body[start:]

    def fault(self, status, headers=()):
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drop(self, reset):
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_good(self, _):
        self.wfile.write(self.answer())

    def do_graph(self, _):
        """A TensorFlow.js graph and what it names, by the last part of the path."""
        self.wfile.write(self.answer(self.server.files[self.path.split("/")[-1]]))

    def do_gone(self, _):
        self.fault(404)

    def do_busy(self, count):
        if count < 3:
            return self.fault(503)
        return self.wfile.write(self.answer())

    def do_truncated(self, count):
        rest = self.answer()
        self.wfile.write(rest[:100_000])
        self.drop(False)

    def do_reset(self, count):
        rest = self.answer()
        self.wfile.write(rest[:70_000] if count < 4 else rest)
        if count < 4:
            self.wfile.flush()
            time.sleep(0.2)
            self.drop(True)

    def do_never(self, _):
        self.answer()
        self.drop(True)

    def do_norange(self, count):
        rest = self.answer(start=0)
        self.wfile.write(rest[:100_000] if count == 1 else rest)
        self.drop(False)

    def do_unsatisfiable(self, _):
        if self.start():
            return self.fault(416)
        return self.wfile.write(self.answer())

    def do_wrongrange(self, _):
        if self.start():
            self.send_response(206)
            self.send_header("Content-Range", "bytes 5-9/10")
            self.send_header("Content-Length", "5")
            self.end_headers()
            return self.wfile.write(b"wrong")
        return self.wfile.write(self.answer())

    def do_other(self, _):
        self.wfile.write(self.answer(body=BODY[::-1], start=0))

    def do_longer(self, _):
        self.wfile.write(self.answer(body=BODY + b"more", start=0))

    def do_moved(self, _):
        self.fault(302, [("Location", "/good/file.onnx")])

    def do_loop(self, _):
        self.fault(302, [("Location", "/loop/file.onnx?" + str(time.time()))])

    def do_abroad(self, _):
        self.fault(302, [("Location", "http://example.org/file.onnx")])

    def do_file(self, _):
        self.fault(302, [("Location", "file:///etc/passwd")])

    def do_stall(self, _):
        self.answer()
        self.server.stop.wait(LIMIT)
        self.drop(False)

    def do_slow(self, _):
        rest = self.answer()
        self.wfile.write(rest[:150_000])
        self.wfile.flush()
        self.server.stop.wait(LIMIT)
        self.drop(False)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.seen, self.lock, self.stop = [], threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def handle_error(self, *_):
        pass

    def close(self):
        self.stop.set()
        self.shutdown()
        self.server_close()


def graph_node(name, op, *inputs):
    return {"name": name, "op": op, "input": list(inputs),
            "attr": {"T": {"type": "DT_FLOAT"}, "_input_shapes": {"list": {"shape": [{}]}}}}


# Preparation, a convolution and two heads, of which one goes on.
GRAPH = {"modelTopology": {"node": [
    graph_node("image", "Placeholder"), graph_node("half", "Const"), graph_node("scaled", "Mul", "image", "half"),
    graph_node("w", "Const"), graph_node("first/Relu6", "_FusedConv2D", "scaled:0", "w"), graph_node("v", "Const"),
    graph_node("head/BiasAdd", "_FusedConv2D", "first/Relu6", "v"), graph_node("sure", "Sigmoid", "head/BiasAdd"),
    graph_node("best", "ArgMax", "sure"), graph_node("u", "Const"), graph_node("flat", "Reshape", "first/Relu6", "u")]},
    "weightsManifest": [{"paths": ["net.bin"], "weights": []}]}

# In place of the converter: its result is the command and the graph that it was given.
CONVERTER = """
import json, os, sys
arguments = sys.argv[1:]
path = arguments[arguments.index("--tfjs" if "--tfjs" in arguments else "--graphdef") + 1]
graph = json.load(open(path)) if path.endswith(".json") else None
files = sorted(os.listdir(os.path.dirname(path)))
with open(arguments[arguments.index("--output") + 1], "w") as file:
    json.dump([arguments, graph, files], file)
"""


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="deltacnn-models-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server()
        self.addCleanup(self.server.close)
        self.home = os.path.join(self.folder, "home", "deltacnn", "models")
        self.target = os.path.join(self.home, "file.onnx")
        self.catalogue = os.path.join(self.folder, "catalogue.json")

    def write_catalogue(self, behaviour="good", text=None, **changes):
        entry = {"name": "net", "file": "file.onnx", "task": "t", "licence": "MIT", "size": len(BODY),
                 "sha256": hashlib.sha256(BODY).hexdigest(),
                 "address": "http://127.0.0.1:%d/%s/file.onnx" % (self.server.server_port, behaviour)}
        entry.update(changes)
        entry = {k: v for k, v in entry.items() if v is not None}
        with open(self.catalogue, "w", encoding="utf-8") as file:
            file.write(text if text is not None else json.dumps({"version": 1, "models": [entry]}))

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("DELTACNN_") and "proxy" not in k.lower()}
        env.update(XDG_DATA_HOME=os.path.join(self.folder, "home"), XDG_DATA_DIRS=os.path.join(self.folder, "none"),
                   HOME=self.folder)
        return env

    def command(self, *arguments):
        return [sys.executable, TOOL, "--catalogue", self.catalogue, *arguments]

    def run_tool(self, *arguments, status=0, **more):
        done = subprocess.run(self.command(*arguments), env=self.environment(), capture_output=True, text=True,
                              timeout=LIMIT, check=False, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout + done.stderr

    def get(self, *arguments, status=0, **more):
        return self.run_tool("get", "net", "--delay", "0.01", *arguments, status=status, **more)

    def asked(self):
        return [r for _, r in self.server.seen]

    def assert_whole(self, path=None):
        with open(path or self.target, "rb") as file:
            self.assertEqual(file.read(), BODY)
        self.assertFalse(os.path.exists((path or self.target) + ".part"))

    def assert_nothing(self):
        self.assertFalse(os.path.exists(self.target))

    # ---- the good case -----------------------------------------------------

    def test_get(self):
        self.write_catalogue()
        text = self.get()
        self.assert_whole()
        self.assertIn("100 %", text)
        self.assertIn("is there", self.get())
        self.assertEqual(self.asked(), [None])
        self.assertIn("right", self.run_tool("verify", "net"))
        self.assertIn("here", self.run_tool("list"))
        self.assertIn(self.target, self.run_tool("info", "net"))
        self.assertEqual(json.loads(self.run_tool("list", "--json"))[0]["path"], self.target)

    def test_measured(self):
        self.write_catalogue(measured=[{
            "clip": "street", "size": "64x48", "threads": 1, "cpu": "a processor", "mac_share": 0.254, "sparse_ms": 2.0,
            "dense_ms": 6.1, "onnxruntime_ms": 7.0}])
        self.assertRegex(self.run_tool("list"), r"25 %\s+3\.5 x")
        info = self.run_tool("info", "net")
        for text in ("street at 64x48", "25 % of the work", "2.0 ms a frame", "dense 6.1", "onnxruntime 7.0"):
            self.assertIn(text, info)
        self.write_catalogue()
        self.assertRegex(self.run_tool("list"), r"\s-\s+-\s")

    def test_descriptor_and_labels_come_along(self):
        self.write_catalogue()
        with open(os.path.join(self.folder, "file.onnx.modelinfo"), "w", encoding="utf-8") as file:
            file.write("[modelinfo]\nversion=1.0\n[labels]\nfile=l.txt\n")
        os.mkdir(os.path.join(self.folder, "labels"))
        with open(os.path.join(self.folder, "labels", "l.txt"), "w", encoding="utf-8") as file:
            file.write("a\n")
        to = os.path.join(self.folder, "to")
        self.get("--to", to)
        self.assert_whole(os.path.join(to, "file.onnx"))
        self.assertTrue(os.path.isfile(os.path.join(to, "file.onnx.modelinfo")))
        self.assertTrue(os.path.isfile(os.path.join(to, "labels", "l.txt")))

    # ---- bad servers -------------------------------------------------------

    def test_busy_server_is_asked_again(self):
        self.write_catalogue("busy")
        self.get()
        self.assert_whole()
        self.assertEqual(len(self.asked()), 3)

    def test_truncation_is_resumed(self):
        self.write_catalogue("truncated")
        self.get()
        self.assert_whole()
        self.assertEqual(self.asked(), [None, "bytes=100000-", "bytes=200000-"])

    def test_resets_are_resumed(self):
        self.write_catalogue("reset")
        self.get()
        self.assert_whole()
        self.assertEqual(len(self.asked()), 4)
        self.assertTrue(any(self.asked()[1:]))

    def test_giving_up(self):
        self.write_catalogue("never")
        text = self.get("--retries", "2", status=1)
        self.assertIn("Given up after 3 tries", text)
        self.assert_nothing()

    def test_server_without_ranges(self):
        self.write_catalogue("norange")
        self.get()
        self.assert_whole()

    def test_range_refused(self):
        for behaviour in ("unsatisfiable", "wrongrange"):
            with self.subTest(behaviour):
                self.write_catalogue(behaviour)
                shutil.rmtree(self.home, True)
                os.makedirs(self.home)
                with open(self.target + ".part", "wb") as file:
                    file.write(BODY[:1000])
                self.get()
                self.assert_whole()

    def test_not_found(self):
        self.write_catalogue("gone")
        text = self.get(status=1)
        self.assertIn("404", text)
        self.assertIn("--from", text)
        self.assertEqual(len(self.asked()), 1)
        self.assert_nothing()
        self.assertEqual(os.listdir(self.home), [])

    def test_wrong_checksum(self):
        self.write_catalogue("other")
        text = self.get(status=1)
        self.assertIn("SHA-256", text)
        self.assert_nothing()
        self.assertEqual(os.listdir(self.home), [])

    def test_wrong_part_is_fetched_anew(self):
        self.write_catalogue()
        for part in (b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 9)):
            with self.subTest(len(part)):
                shutil.rmtree(self.home, True)
                os.makedirs(self.home)
                with open(self.target + ".part", "wb") as file:
                    file.write(part)
                self.get()
                self.assert_whole()

    def test_longer_than_it_should_be(self):
        self.write_catalogue("longer")
        self.assertIn("sends more", self.get(status=1))
        self.assert_nothing()

    def test_redirects(self):
        self.write_catalogue("moved")
        self.get()
        self.assert_whole()

    def test_redirects_that_are_not_followed(self):
        for behaviour in ("abroad", "file", "loop"):
            with self.subTest(behaviour):
                self.write_catalogue(behaviour)
                self.get("--retries", "0", status=1)
                self.assert_nothing()

    def test_silent_server(self):
        self.write_catalogue("stall")
        self.assertIn("tries", self.get("--timeout", "0.5", "--retries", "1", status=1))

    def test_no_server(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.write_catalogue(address="http://127.0.0.1:%d/x" % free.getsockname()[1])
            self.assertIn("refused", self.get("--retries", "1", status=1))

    # ---- this side's trouble -----------------------------------------------

    def test_no_space(self):
        self.write_catalogue()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (131072, 131072))
        text = self.get(status=1, preexec_fn=limit)
        self.assertIn("no space left", text)
        self.assert_nothing()
        self.get()
        self.assert_whole()
        self.assertTrue(self.asked()[1].startswith("bytes="), self.asked())

    def test_too_little_space_is_seen_before(self):
        self.write_catalogue()
        loader = importlib.machinery.SourceFileLoader("deltacnn_models", TOOL)
        with mock.patch.object(sys, "dont_write_bytecode", True):
            tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("deltacnn_models", loader))
            loader.exec_module(tool)
        usage = mock.Mock(free=10)
        with mock.patch.object(tool.shutil, "disk_usage", return_value=usage), self.assertRaisesRegex(tool.Failure, "needs"):
            tool.check_space(self.folder, {"name": "net", "size": 1000}, 0)

    def test_unwritable_folder(self):
        self.write_catalogue()
        with open(os.path.join(self.folder, "flat"), "w", encoding="utf-8"):
            pass
        self.get("--to", os.path.join(self.folder, "flat", "deep"), status=1)

    def test_interrupt_and_go_on(self):
        self.write_catalogue("slow")
        # a shell's background job ignores SIGINT, and what it starts inherits that
        child = subprocess.Popen(self.command("get", "net"), env=self.environment(), stderr=subprocess.PIPE, text=True,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        try:
            deadline = time.monotonic() + LIMIT
            part = self.target + ".part"
            while not (os.path.exists(part) and os.path.getsize(part) >= 65536):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            busy = self.get(status=1)
            self.assertIn("another deltacnn-models", busy)
            child.send_signal(signal.SIGINT)
            self.assertIn("interrupted", child.communicate(timeout=LIMIT)[1])
            self.assertEqual(child.returncode, 130)
        finally:
            child.kill()
            child.wait()
        self.write_catalogue("good")
        self.get()
        self.assert_whole()
        self.assertTrue(self.asked()[-1].startswith("bytes="))

    # ---- local copies ------------------------------------------------------

    def test_from(self):
        self.write_catalogue(address=None, origin="converted by hand", convert={
            "address": "https://example.org/net.json", "size": "8x8", "input": "a", "outputs": {"mask": "b"}})
        self.assertIn("converted by hand", self.get(status=1))
        self.assertIn("there is no file.onnx", self.get("--from", self.folder, status=1))
        source = os.path.join(self.folder, "file.onnx")
        with open(source, "wb") as file:
            file.write(BODY[:-1])
        self.assertIn("not taken", self.get("--from", self.folder, status=1))
        self.assert_nothing()
        with open(source, "wb") as file:
            file.write(BODY)
        self.get("--from", self.folder)
        self.assert_whole()
        os.unlink(self.target)
        self.get("--from", source)
        self.assert_whole()

    def test_verify(self):
        self.write_catalogue()
        self.assertIn("not here", self.run_tool("verify", "net", status=1))
        self.run_tool("verify")
        os.makedirs(self.home)
        with open(self.target, "wb") as file:
            file.write(b"something else")
        self.assertIn("WRONG", self.run_tool("verify", status=1))
        self.get()
        self.run_tool("verify", "net")

    # ---- conversion ----------------------------------------------------------

    def convert(self, *arguments, status=0, name="net.json", converter=CONVERTER, **changes):
        """Runs the command with a converter of our own; what that was given, or the text."""
        how = {"address": "http://127.0.0.1:%d/graph/%s" % (self.server.server_port, name), "size": "64x48",
               "input": "first/Relu6", "outputs": {"mask": "head/BiasAdd > Sigmoid", "row": "flat"}, "flat": ["row"]}
        how.update(changes)
        self.write_catalogue(address=None, origin="a graph", convert=how)
        self.server.files = {"net.json": json.dumps(GRAPH).encode(), "net.bin": b"weights", "net.pb": b"frozen"}
        package = os.path.join(self.folder, "python", "tf2onnx")
        os.makedirs(package, exist_ok=True)
        for file, text in (("__init__.py", ""), ("convert.py", converter)):
            with open(os.path.join(package, file), "w", encoding="utf-8") as out:
                out.write(text)
        with mock.patch.dict(os.environ, PYTHONPATH=os.path.dirname(package)):
            text = self.run_tool("convert", "net", *arguments, status=status)
        if status:
            return text
        self.assertIn(self.target, text)
        with open(self.target, encoding="utf-8") as file:
            return json.load(file)

    def test_convert(self):
        with open(os.path.join(self.folder, "file.onnx.modelinfo"), "w", encoding="utf-8") as file:
            file.write("[deltacnn]\nsha256=%s\n[state]\nthreshold=2\n[tuning]\nthreshold = 0.01\nrefresh=0.1\ncriterion=influence\n\n"
                       "# What each\n# bears.\n[influence]\nAdd_1=1;00\n# and\nAdd_2=1;0\n[thresholds]\nAdd_1=-1\n[labels]\nlist=a\n"
                       % hashlib.sha256(BODY).hexdigest())
        arguments, graph, files = self.convert()
        self.assertEqual(files, ["net.bin", "net.json"])
        nodes = {n["name"]: n for n in graph["modelTopology"]["node"]}
        self.assertEqual(list(nodes), ["scaled", "w", "first/Relu6", "v", "head/BiasAdd", "sure", "u", "flat"])
        self.assertEqual(nodes["scaled"]["op"], "Placeholder")
        self.assertEqual(nodes["head/BiasAdd"]["attr"], {"T": {"type": "DT_FLOAT"}})
        self.assertEqual([d["size"] for d in nodes["scaled"]["attr"]["shape"]["shape"]["dim"]], ["1", "48", "64", "3"])
        self.assertEqual(graph["signature"], {"inputs": {"input": {"name": "scaled:0"}},
                                              "outputs": {"mask": {"name": "sure:0"}, "row": {"name": "flat:0"}}})
        self.assertEqual(arguments[arguments.index("--inputs-as-nchw") + 1], "input")
        self.assertEqual(arguments[arguments.index("--outputs-as-nchw") + 1], "mask")
        with open(self.target, "rb") as made, open(self.target + ".modelinfo", encoding="utf-8") as descriptor:
            # what goes by nodes' names is of another file
            self.assertEqual(descriptor.read(), "[deltacnn]\nsha256=%s\n[state]\nthreshold=2\n[tuning]\nrefresh=0.1\n\n[labels]\nlist=a\n"
                             % hashlib.sha256(made.read()).hexdigest())
        self.assertIn("deltacnn-models convert net", self.run_tool("info", "net"))
        self.assertIn("deltacnn-models convert net", self.get("--to", os.path.join(self.folder, "to"), status=1))
        self.assertIn("right", self.run_tool("verify", "net"))
        with open(self.target, "ab") as made:
            made.write(b" ")
        self.assertIn("WRONG", self.run_tool("verify", "net", status=1))

    def test_convert_speaks_of_modules(self):
        """A module that is missing is a fault only where nothing comes out."""
        arguments, _, _ = self.convert(converter="import sys\nprint('No module named tensorrt', file=sys.stderr)\n" + CONVERTER)
        self.assertIn("--tfjs", arguments)

    def test_convert_with_numpy_2(self):
        """tf2onnx asks NumPy for what its second version has no more."""
        os.mkdir(os.path.join(self.folder, "python"))
        with open(os.path.join(self.folder, "python", "numpy.py"), "w", encoding="utf-8") as file:
            file.write("prod = max\n")
        arguments, _, _ = self.convert(converter="import numpy\nassert numpy.product([1, 2]) == 2\n" + CONVERTER)
        self.assertIn("--tfjs", arguments)

    def test_convert_frozen(self):
        arguments, _, files = self.convert(name="net.pb", input="image", outputs={"mask": "out"})
        self.assertEqual(files, ["net.pb"])
        for name, value in (("--inputs", "image:0[1,48,64,3]"), ("--outputs", "out:0"), ("--rename-outputs", "mask"),
                            ("--inputs-as-nchw", "image:0"), ("--outputs-as-nchw", "out:0")):
            self.assertEqual(arguments[arguments.index(name) + 1], value)

    def test_convert_refusals(self):
        self.assertIn("no node 'nose'", self.convert(status=1, outputs={"mask": "nose"}))
        self.assertIn("0 nodes ArgMax read", self.convert(status=1, outputs={"mask": "head/BiasAdd > ArgMax"}))
        self.assertIn("pip install tf2onnx", self.convert(status=1, converter="import tensorflow_that_is_not_here"))
        self.assertIn("the converter failed: tf2onnx.convert --opset", self.convert(status=1, converter="raise SystemExit('no')"))
        self.assertIn("does not know a: _Fused of", self.convert(status=1, converter=CONVERTER + (
            "\nprint('ERROR - Tensorflow op [a: _Fused] is not supported', file=sys.stderr)")))
        self.assertIn("no TensorFlow.js graph", self.convert("--from", self.catalogue, status=1, name="catalogue.json"))
        for wrong in ({"address": "http://example.org/x.json"}, {"size": "64"}, {"outputs": {}}, {"input": 3}):
            self.assertIn("convert", self.convert(status=1, **wrong))
        self.assert_nothing()
        self.write_catalogue()
        self.assertIn("needs no conversion", self.run_tool("convert", "net", status=1))

    # ---- catalogues --------------------------------------------------------

    def test_bad_catalogues(self):
        bad = [{"file": "../../evil.onnx"}, {"file": "/etc/evil.onnx"}, {"file": ".x.onnx"}, {"file": "x.sh"},
               {"address": "http://example.org/x.onnx"}, {"address": "file:///etc/passwd"}, {"address": 5},
               {"address": "https://[broken"}, {"size": -1}, {"size": "9"}, {"sha256": "0"}, {"licence": None},
               {"address": None}, {"address": None, "origin": "a graph"}, {"name": 7}]
        for changes in bad:
            with self.subTest(changes):
                self.write_catalogue(**changes)
                self.run_tool("list", status=1)
        for text in ("", "[]", "{\"version\": 2}", "{\"version\": 1, \"models\": [3]}", "[" * 100000, "\0\xff"):
            with self.subTest(text[:20]):
                self.write_catalogue(text=text)
                self.run_tool("list", status=1)
        os.unlink(self.catalogue)
        self.assertIn("there is no catalogue", self.run_tool("list", status=1))

    def test_wrong_use(self):
        self.write_catalogue()
        self.assertIn("there are: net", self.run_tool("get", "nothing", status=1))
        self.run_tool("frobnicate", status=2)
        self.run_tool(status=2)
        self.assertIn("verify", self.run_tool("--help"))
        for option, value in (("--timeout", "nan"), ("--timeout", "-1"), ("--timeout", "1e400"), ("--delay", "nan"), ("--delay", "-1"),
                              ("--retries", "-1"), ("--retries", "1.5"), ("--to", ""), ("--from", "")):
            self.assertIn(option, self.run_tool("get", "net", option, value, status=2))

    def test_closed_and_full_output(self):
        self.write_catalogue()
        for output, said in ((">&-", "standard output is closed"), (">/dev/full", "standard output: No space left")):
            done = subprocess.run(["sh", "-c", 'exec "$@" ' + output, "sh", *self.command("list")], env=self.environment(),
                                  capture_output=True, text=True, timeout=LIMIT, check=False)
            self.assertEqual((done.returncode, done.stderr), (1, "deltacnn-models: %s\n" % (said + " on device" if "space" in said else said)))

    def test_shipped_catalogue(self):
        self.catalogue = os.path.join(ROOT, "models", "data", "catalogue", "catalogue.json")
        entries = json.loads(self.run_tool("list", "--json"))
        self.assertGreaterEqual(len(entries), 17)
        for entry in entries:
            for measured in entry.get("measured", []):
                self.assertTrue(0 < measured["mac_share"] <= 1, entry["name"])
                self.assertTrue(min(measured[k] for k in ("sparse_ms", "dense_ms", "onnxruntime_ms")) > 0, entry["name"])
            if entry.get("included"):
                continue
            path = os.path.join(ROOT, "models", "data", "descriptors", entry["file"] + ".modelinfo")
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for line in ("name=" + entry["name"], "sha256=" + entry["sha256"], "licence=" + entry["licence"]):
                self.assertIn(line + "\n", text, path)


if __name__ == "__main__":
    unittest.main()
