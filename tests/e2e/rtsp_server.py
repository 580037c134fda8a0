#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera on the loopback interface for the tests.

  rtsp_server.py SECONDS [--port N] [--size WxH] [--login USER:PASSWORD]

Serves rtsp://127.0.0.1:PORT/x, a ball in H.264, and prints the port. Ends after SECONDS, without a word to its clients.
Needs gir1.2-gst-rtsp-server-1.0 and python3-gi; exit status 77 without them.
"""
import argparse
import sys

try:
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
except (ImportError, ValueError) as reason:
    print(f"skip: no RTSP server: {reason}")
    sys.exit(77)


def demand(server, factory, login):
    """Only who knows the login may see the factory's stream."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login.split(":")), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role(
            "viewer", f"media.factory.{right}", True)
    factory.set_permissions(permissions)


def main(seconds, port, size, login):
    Gst.init(None)
    width, height = size.split("x")
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball"
        f" ! video/x-raw,format=I420,width={width},height={height}"
        ",framerate=20/1"
        " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5"
        " ! rtph264pay name=pay0 pt=96 )")
    if login:
        demand(server, factory, login)
    server.get_mount_points().add_factory("/x", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    GLib.timeout_add(int(1000 * seconds), loop.quit)
    loop.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--login")
    main(**vars(parser.parse_args()))
