#!/usr/bin/env python3
"""Replay recorded decisions: each case is one Mac and one repository; the InstallInfo.plist that results must be
the recorded one.

usage: run.py [--program FILE] [--shared DIR] [--only NAME …] [--http] [--command run|check] [--jobs N] [-v]

Cases lie in SHARED/cases (DAYBREAK_SHARED, else ../shared from the project). Names in the file `disputed` are
skipped, with their reason. Prints "N passed, N failed, N skipped"; exits 1 when one failed.

What is no decision is left out of the comparison: download speed, the wording of a failed download's note, and
two keys that Munki 6 adds in memory (VersionString equal to CFBundleShortVersionString, apple_item of removals).
Any expected.alt-N.plist is as right as expected.plist.

Catalogs are read by their outline where they are XML, and decoded whole where they are binary: each case that is
not served over http is decided once more with its catalogs turned into binary property lists, and InstallInfo
must be the same byte for byte.
"""
import argparse
import concurrent.futures
import glob
import os
import plistlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import xml.parsers.expat

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
LISTS = ("managed_installs", "problem_items", "removals", "optional_installs")
DOWNLOAD_NOTES = ("Download failed", "Source does not exist", "Copy IOError", "HTTP result")
TIME_LIMIT = 120


def load(path):
    with open(path, "rb") as f:
        return plistlib.load(f)


def decision(info):
    """The part of InstallInfo that is decided, not measured."""
    def plain(d):
        if isinstance(d, dict) and d.get("VersionString") is not None \
                and d.get("VersionString") == d.get("CFBundleShortVersionString"):
            return {k: v for k, v in d.items() if k != "VersionString"}
        return d

    out = dict(info)
    for name in LISTS:
        entries = []
        for entry in info.get(name, []):
            if isinstance(entry, dict):
                entry = {k: v for k, v in entry.items() if k != "download_kbytes_per_sec"}
                if name == "removals":
                    entry.pop("apple_item", None)
                if isinstance(entry.get("installs"), list):
                    entry["installs"] = [plain(i) for i in entry["installs"]]
                if "remove_app_info" in entry:
                    entry["remove_app_info"] = plain(entry["remove_app_info"])
                if str(entry.get("note", "")).startswith(DOWNLOAD_NOTES):
                    entry["note"] = "(download failed)"
            entries.append(entry)
        if name in info:
            out[name] = entries
    return out


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def label(value):
    return value.get("name", "?") if isinstance(value, dict) else str(value)


def differences(want, got, where=""):
    """Sentences, each naming list, item and key."""
    if kind(want) != kind(got):
        return ["%s: %s expected, got %s" % (where, kind(want), kind(got))]
    if isinstance(want, dict):
        found = []
        for key in sorted(set(want) | set(got)):
            at = "%s.%s" % (where, key) if where else key
            if key not in got:
                found.append("%s: missing, expected %r" % (at, want[key]))
            elif key not in want:
                found.append("%s: not expected, got %r" % (at, got[key]))
            else:
                found += differences(want[key], got[key], at)
        return found
    if isinstance(want, list):
        names, have = [label(v) for v in want], [label(v) for v in got]
        if names != have:
            found = []
            lost, extra = [n for n in names if n not in have], [n for n in have if n not in names]
            if lost:
                found.append("%s: missing %s" % (where, ", ".join(lost)))
            if extra:
                found.append("%s: not expected %s" % (where, ", ".join(extra)))
            if not found:
                found.append("%s: order %s, expected %s" % (where, have, names))
            return found
        found = []
        for w, g, n in zip(want, got, names):
            found += differences(w, g, "%s[%s]" % (where, n))
        return found
    return [] if want == got else ["%s: %r, expected %r" % (where, got, want)]


def as_trees(case, options, prefs, scratch, root):
    """None when the decision is the same with binary catalogs, else sentences."""
    folder = os.path.join(scratch, "catalogs")
    os.mkdir(folder)
    for name in os.listdir(os.path.join(case, "repo", "catalogs")):
        try:
            items = load(os.path.join(case, "repo", "catalogs", name))
        except (OSError, ValueError, plistlib.InvalidFileException, xml.parsers.expat.ExpatError):
            continue  # what is no property list stays what it is
        with open(os.path.join(folder, name), "wb") as f:
            plistlib.dump(items, f, fmt=plistlib.FMT_BINARY, sort_keys=False)
    answers = []
    for url in (None, "file://" + folder + "/"):
        with open(os.path.join(scratch, "prefs.plist"), "wb") as f:
            plistlib.dump(dict(prefs, CatalogURL=url) if url else prefs, f)
        out = os.path.join(scratch, "decided")
        done = subprocess.run(
            [options.program, "check", "--quiet", "--scripts", "run", "--repo", "file://" + case + "/repo", "--prefs",
             os.path.join(scratch, "prefs.plist"), "--facts", os.path.join(case, "facts.plist"), "--root", root,
             "--output", out], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=TIME_LIMIT, check=False)
        answers.append((done.returncode, open(out, "rb").read() if os.path.exists(out) else None))
    return None if answers[0] == answers[1] else ["another decision with catalogs that are decoded whole"]


def replay(case, options, base):
    """None when right, else sentences."""
    prefs = load(os.path.join(case, "prefs.plist"))
    managed = prefs.get("ManagedInstallDir", "/Library/Daybreak").lstrip("/")
    with tempfile.TemporaryDirectory(prefix="daybreak-case-") as scratch:
        root = os.path.join(scratch, "root")
        if os.path.isdir(os.path.join(case, "root")):
            shutil.copytree(os.path.join(case, "root"), root, symlinks=True)
        else:
            os.mkdir(root)
        info = os.path.join(root, managed, "InstallInfo.plist")
        before = open(info, "rb").read() if os.path.exists(info) else None
        repo = (base + os.path.basename(case) if base else "file://" + case) + "/repo"
        words = [options.program] + (["run", "--checkonly"] if options.command == "run" else ["check"])
        words += ["--scripts", "run", "--repo", repo, "--prefs", os.path.join(case, "prefs.plist"),
                  "--facts", os.path.join(case, "facts.plist"), "--root", root]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=TIME_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            return ["no end after %d s" % TIME_LIMIT]
        said = done.stdout.decode("utf-8", "replace").strip()
        tail = ["  %s" % line for line in said.splitlines()[-12:]] if options.verbose else []
        if done.returncode < 0:
            return ["killed by signal %d" % -done.returncode] + tail
        after = open(info, "rb").read() if os.path.exists(info) else None
        wanted = [os.path.join(case, "expected.plist")]
        wanted += sorted(glob.glob(os.path.join(case, "expected.alt-*.plist")))
        first = load(wanted[0])
        if not first:
            if after != before:
                return ["InstallInfo.plist was written where there is no decision"] + tail
            return None if done.returncode != 0 else ["exit code 0 where there is no decision"] + tail
        if after is None:
            return ["no InstallInfo.plist, exit code %d" % done.returncode] + \
                   ["  %s" % line for line in said.splitlines()[-4:]]
        got = decision(plistlib.loads(after))
        best = None
        for path in wanted:
            found = differences(decision(load(path)), got)
            if not found:
                best = None
                break
            if best is None or len(found) < len(best):
                best = found
        report = os.path.join(root, managed, "ManagedInstallReport.plist")
        extra = os.path.join(case, "expected.extra.plist")
        if best is None and os.path.exists(report) and os.path.exists(extra):
            want, have = load(extra).get("ManifestName"), load(report).get("ManifestName")
            if want is not None and want != have:
                best = ["manifest %r was chosen, expected %r" % (have, want)]
        if best is None and not base and "CatalogURL" not in prefs:
            best = as_trees(case, options, prefs, scratch, root)
        return best + tail if best else None


class Server:
    """nginx on a free loopback port, serving the cases."""

    def __init__(self, folder):
        self.scratch = tempfile.mkdtemp(prefix="daybreak-nginx-")
        if not any(self.start(folder) for _ in range(5)):      # another may have been given the port meanwhile
            raise SystemExit("nginx does not start")

    def start(self, folder):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        conf, pid = os.path.join(self.scratch, "nginx.conf"), os.path.join(self.scratch, "pid")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("daemon off; pid %(d)s/pid; error_log %(d)s/error.log;%(user)s\n"
                    "events {}\n"
                    "http { access_log off; default_type application/octet-stream;\n"
                    "client_body_temp_path %(d)s/1; proxy_temp_path %(d)s/2; fastcgi_temp_path %(d)s/3;\n"
                    "uwsgi_temp_path %(d)s/4; scgi_temp_path %(d)s/5;\n"
                    "server { listen 127.0.0.1:%(port)d; root \"%(root)s\"; } }\n"
                    % {"d": self.scratch, "port": port, "root": folder,
                       "user": " user root;" if os.geteuid() == 0 else ""})
        self.process = subprocess.Popen(["nginx", "-p", self.scratch, "-c", conf],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = "http://127.0.0.1:%d/" % port
        deadline = time.monotonic() + 60
        while not os.path.exists(pid):                          # written once it listens
            if time.monotonic() > deadline:
                self.process.kill()
            try:
                self.process.wait(timeout=0.05)
                return False
            except subprocess.TimeoutExpired:
                pass
        return True

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.scratch)


def disputed():
    reasons = {}
    with open(os.path.join(HERE, "disputed"), encoding="utf-8") as f:
        for line in f:
            words = line.split(None, 1)
            if words and not line.startswith("#"):
                reasons[words[0]] = words[1].strip() if len(words) > 1 else "no reason given"
    return reasons


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    p.add_argument("--program", default=os.environ.get("DAYBREAK", os.path.join(PROJECT, "build", "daybreak")))
    p.add_argument("--shared", default=os.environ.get("DAYBREAK_SHARED", os.path.join(PROJECT, "..", "shared")))
    p.add_argument("--only", nargs="+", metavar="NAME")
    p.add_argument("--http", action="store_true", help="serve the repositories with nginx")
    p.add_argument("--command", choices=("run", "check"), default="run")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("-v", "--verbose", action="store_true", help="what the program said, too")
    options = p.parse_args()
    options.program = os.path.abspath(options.program)
    folder = os.path.realpath(os.path.join(options.shared, "cases"))
    if not os.path.isdir(folder):
        print("skipped: %s is not there" % folder)
        print("0 passed, 0 failed, 0 skipped")
        return 0
    names = sorted(n for n in os.listdir(folder) if os.path.exists(os.path.join(folder, n, "expected.plist")))
    if options.only:
        unknown = [n for n in options.only if n not in names]
        if unknown:
            raise SystemExit("no such case: %s" % ", ".join(unknown))
        names = options.only
    skip = disputed()
    server = Server(folder) if options.http else None
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            runs = {n: pool.submit(replay, os.path.join(folder, n), options, server.base if server else None)
                    for n in names if n not in skip}
            for name in names:
                if name in skip:
                    print("skipped %s: %s" % (name, skip[name]))
                    counts["skipped"] += 1
                    continue
                found = runs[name].result()
                counts["failed" if found else "passed"] += 1
                if found:
                    print("FAILED %s" % name)
                    for sentence in found:
                        print("  %s" % sentence)
    finally:
        if server:
            server.close()
    print("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
