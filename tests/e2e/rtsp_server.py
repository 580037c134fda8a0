#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera on the loopback interface for the tests.

  rtsp_server.py SECONDS     serves rtsp://127.0.0.1:PORT/x, a ball in H.264

Prints the port. Ends after SECONDS, without a word to its clients. Needs gir1.2-gst-rtsp-server-1.0 and python3-gi; exit
status 77 without them.
"""
import sys

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as reason:
    print(f"skip: no RTSP server: {reason}")
    sys.exit(77)


def main(seconds):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball"
        " ! video/x-raw,format=I420,width=320,height=240,framerate=20/1"
        " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5"
        " ! rtph264pay name=pay0 pt=96 )")
    server.get_mount_points().add_factory("/x", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    GLib.timeout_add(int(1000 * seconds), loop.quit)
    loop.run()


if __name__ == "__main__":
    main(float(sys.argv[1]))
