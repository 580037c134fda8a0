/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bundle_launch.c - starts a program of a bundle (bundle.py) with the
 * bundle's own loader, libraries and plugins. Linked statically and called by
 * the program's name (a link in bin/), so that the host need have nothing: no
 * shell, no C library, no /proc.
 *
 *   BUNDLE/bin/NAME ARGUMENTS...
 *
 * Sets what GStreamer, GLib and the engine look for, unless the user did:
 * plugins are the bundle's alone (and GST_PLUGIN_PATH's); the registry is the
 * bundle's and the driver's own, so that neither a system's GStreamer nor a
 * driver that came later is met through a stale list. The folder of the host's
 * NVIDIA driver is searched after the bundle's own.
 */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

static void
put (char *to, const char *a, const char *b)
{
  if ((size_t) snprintf (to, PATH_MAX, "%s%s", a, b) >= PATH_MAX) {
    fprintf (stderr, "bundle: the path %s%s is too long\n", a, b);
    exit (127);
  }
}

/* The bundle's folder: bin/NAME is a link to libexec/launch. */
static void
find_root (char *root)
{
  const char *self = (const char *) getauxval (AT_EXECFN);

  if (!self || !realpath (self, root)) {
    fprintf (stderr, "bundle: where is %s? %s\n", self ? self : "this program",
        strerror (errno));
    exit (127);
  }
  for (int i = 0; i < 2; i++)
    if (strrchr (root, '/'))
      *strrchr (root, '/') = '\0';
}

/* Sets name to root + path, where the user has not. */
static void
set (const char *name, const char *root, const char *path)
{
  char value[PATH_MAX];

  put (value, root, path);
  setenv (name, value, 0);
}

/* The folder with the driver's libcuda.so.1, or "". */
static void
find_driver (char *folder, struct stat *library)
{
  static const char *const folders[] = { "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64", "/usr/lib", "/lib/x86_64-linux-gnu",
    "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib", "/usr/lib/nvidia", NULL };
  const char *given = getenv ("DELTACNN_DRIVER_PATH");
  char file[PATH_MAX];

  memset (library, 0, sizeof *library);
  if (given) {
    put (folder, given, "");
    put (file, given, "/libcuda.so.1");
    (void) stat (file, library);
    return;
  }
  for (int i = 0; folders[i]; i++) {
    put (file, folders[i], "/libcuda.so.1");
    if (stat (file, library) == 0) {
      put (folder, folders[i], "");
      return;
    }
  }
  *folder = '\0';
}

static uint64_t
mix (uint64_t hash, const void *data, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    hash = (hash ^ ((const uint8_t *) data)[i]) * UINT64_C (1099511628211);
  return hash;
}

/* A registry that is right for this bundle, driver and device nodes. */
static void
set_registry (const char *root, const struct stat *driver)
{
  uint64_t hash = mix (UINT64_C (14695981039346656037), root, strlen (root));
  const char *cache = getenv ("XDG_CACHE_HOME"), *home = getenv ("HOME");
  char folder[PATH_MAX], name[PATH_MAX], number[32];

  hash = mix (hash, &driver->st_ino, sizeof driver->st_ino);
  hash = mix (hash, &driver->st_mtime, sizeof driver->st_mtime);
  for (int i = 0; i < 16; i++) {
    char node[32];
    snprintf (node, sizeof node, "/dev/nvidia%d", i);
    hash = mix (hash, access (node, F_OK) == 0 ? "y" : "n", 1);
  }
  if (cache && *cache == '/')
    put (folder, cache, "");
  else
    put (folder, home && *home == '/' ? home : root, "/.cache");
  (void) mkdir (folder, 0700);
  if (access (folder, W_OK) != 0) {
    put (folder, root, "/.cache");
    (void) mkdir (folder, 0700);
  }
  put (name, folder, "/deltacnn-registry-");
  snprintf (number, sizeof number, "%016llx.bin", (unsigned long long) hash);
  set ("GST_REGISTRY", name, number);
}

int
main (int argc, char **argv)
{
  char root[PATH_MAX], loader[PATH_MAX], program[PATH_MAX], file[PATH_MAX];
  char driver[PATH_MAX];
  char libraries[3 * PATH_MAX];
  const char *name = strrchr (argv[0], '/') ? strrchr (argv[0], '/') + 1 :
      argv[0];
  const char *before = getenv ("LD_LIBRARY_PATH");
  char **arguments = calloc ((size_t) argc + 8, sizeof *arguments);
  struct stat library;
  int n = 0;

  if (!arguments)
    return 127;
  find_root (root);
  put (loader, root, "/lib/ld-linux-x86-64.so.2");
  put (file, root, "/libexec/");
  put (program, file, name);
  find_driver (driver, &library);
  snprintf (libraries, sizeof libraries, "%s/lib%s%s%s%s", root,
      before && *before ? ":" : "", before ? before : "", *driver ? ":" : "",
      driver);
  unsetenv ("LD_LIBRARY_PATH"); /* what a program starts is the host's */
  set_registry (root, &library);
  set ("GST_PLUGIN_SYSTEM_PATH_1_0", root, "/plugins");
  setenv ("GST_REGISTRY_FORK", "no", 0); /* the scanner is another program */
  set ("GIO_MODULE_DIR", root, "/lib/gio");
  set ("DELTACNN_MODEL_PATH", root, "/share/models");
  set ("FONTCONFIG_FILE", root, "/share/fonts/fonts.conf");
  arguments[n++] = loader;
  arguments[n++] = (char *) "--library-path";
  arguments[n++] = libraries;
  arguments[n++] = (char *) "--argv0";
  arguments[n++] = argv[0];
  arguments[n++] = program;
  for (int i = 1; i < argc; i++)
    arguments[n++] = argv[i];
  execv (loader, arguments);
  fprintf (stderr, "bundle: cannot start %s with %s: %s\n", program, loader,
      strerror (errno));
  return 127;
}
