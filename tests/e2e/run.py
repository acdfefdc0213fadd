"""Runs the end-to-end tests: functions test_*(cluster) of the modules here, on one cluster that they share.

Prints `ok|FAIL|SKIP  e2e.MODULE.NAME (SECONDS)` for each. Functions with the attribute `long` run with --all only, those
with `own` (harness.own_cluster) make clusters of their own, and `limit_s` is how long one may take if not TEST_LIMIT_S.
"""
import argparse
import importlib
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import harness  # noqa: E402

TEST_LIMIT_S = 120


def find_tests(filters, everything):
    for file in sorted(os.listdir(HERE)):
        if not file.startswith("test_") or not file.endswith(".py"):
            continue
        module = importlib.import_module(file[:-3])
        for name, function in vars(module).items():
            full = f"e2e.{file[5:-3]}.{name}"
            if not name.startswith("test_") or not callable(function):
                continue
            if getattr(function, "long", False) and not everything:
                continue
            if not filters or any(word in full for word in filters):
                yield full, function


def on_alarm(*_):
    raise AssertionError("the test takes longer than it may")


def run_one(name, function, argument, cluster):
    began = time.monotonic()
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    signal.alarm(getattr(function, "limit_s", TEST_LIMIT_S))
    try:
        function(argument)
        verdict, text = "ok  ", ""
    except harness.Skip as reason:
        verdict, text = "SKIP", str(reason)
    except Exception:  # noqa: BLE001, whatever it is, the test has failed
        verdict, text = "FAIL", traceback.format_exc()
    finally:
        signal.alarm(0)
    print(f"{verdict}  {name} ({time.monotonic() - began:.2f} s)", flush=True)
    if text:
        print("      " + text.rstrip().replace("\n", "\n      "), flush=True)
    if verdict == "FAIL" and cluster is not None:
        print(cluster.logs(since), flush=True)
    return verdict != "FAIL"


def run_all(options):
    tests = list(find_tests(options.filters, options.all))
    shared = [test for test in tests if not getattr(test[1], "own", False)]
    good = True
    if shared:
        cluster = harness.Cluster(options.build)
        try:
            if not run_one("e2e.begin.test_a_cluster_comes_up", lambda c: c.begin(), cluster, cluster):
                return False
            for name, function in shared:
                good &= run_one(name, function, cluster, cluster)
                cluster.cancel_all()
        finally:
            cluster.end()
    for name, function in tests:
        if getattr(function, "own", False):
            good &= run_one(name, function, options.build, None)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    # An interrupted run must still end its cluster.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return 0 if run_all(options) else 1


sys.exit(main())
