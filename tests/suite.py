"""Runs lint, unit tests and end-to-end tests, counts them, and fails if anything is left behind. See tests/run."""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time

import leftovers

TESTS = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(TESTS)
UNIT_LIMIT_S = 180
PLANTS_LIMIT_S = 3600
E2E_LIMIT_S = 1320  # for what hangs: with the units' two minutes within the 25 that all may take
LEFT_LIMIT_S = 10


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)


def run(words, limit_s, environment):
    """Status and output; 124 beyond the limit."""
    try:
        done = subprocess.run(words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit_s, check=False)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace") + f"\nkilled after {limit_s} s\n"


def run_lint(tally, environment, filters):
    if filters and not any(word in "lint" for word in filters):
        return
    status, output = run([os.path.join(TESTS, "lint", "run")], UNIT_LIMIT_S, environment)
    print(output.rstrip())
    if status == 0:
        tally.passed += 1
    else:
        tally.fail("lint")


def unit_programs(build, filters):
    status, output = run(["ctest", "--test-dir", build, "--show-only=json-v1"], 60, os.environ)
    if status != 0:
        sys.exit(f"devrun: ctest cannot list the tests: {output}")
    tests = [(test["name"], test["command"]) for test in json.loads(output)["tests"] if "command" in test]
    return [(name, words) for name, words in tests
            if not filters or any(word in name for word in filters)]


def run_unit(tally, build, environment, filters):
    programs = unit_programs(build, filters)
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        began = {name: pool.submit(run, words, UNIT_LIMIT_S, environment) for name, words in programs}
        for name, future in began.items():
            status, output = future.result()
            count_unit(tally, name, status, output)


def count_unit(tally, name, status, output):
    """GoogleTest's own counts where there are some, else one test."""
    ok = len(re.findall(r"^\[       OK \] ", output, re.M))
    skipped = len(re.findall(r"^\[  SKIPPED \] [\w/.]+ \(", output, re.M))
    failed = re.findall(r"^\[  FAILED  \] ([\w/.]+).* \(\d+ ms\)$", output, re.M)
    tally.passed += ok
    tally.skipped += skipped
    for case in failed:
        tally.fail(f"{name} {case}")
    if status != 0 and not failed:
        tally.fail(f"{name} ended with status {status}")
    if status == 0 and ok + skipped == 0:
        tally.passed += 1
    died = "" if status in (0, 1) else f", ended with status {status}"
    print(f"{'ok  ' if status == 0 else 'FAIL'} {name}: {ok} passed, {len(failed)} failed, {skipped} skipped{died}")
    if status != 0:
        print(what_failed(output))


def run_plants(tally, environment, filters):
    """Bugs that the simulation must find: a build for each."""
    if filters and not any(word in "plant" for word in filters):
        return
    status, output = run([os.path.join(TESTS, "sim", "plant", "run")], PLANTS_LIMIT_S, environment)
    print(output.rstrip())
    tally.passed += len(re.findall(r"^ok   ", output, re.M))
    missed = re.findall(r"^FAIL (\w+)", output, re.M)
    for name in missed or ([f"it ended with status {status}"] if status != 0 else []):
        tally.fail(f"plant {name}")


def what_failed(output):
    """The output of the cases that failed; all of it where no case says so (a crash, a time limit)."""
    cases = re.findall(r"^\[ RUN      \] ([\w/.]+)\n(.*?)^\[  FAILED  \] \1", output, re.M | re.S)
    if not cases:
        return output
    return "\n".join(f"{name}:\n{said}" for name, said in cases)


def run_e2e(tally, build, environment, filters, everything):
    if os.geteuid() != 0:
        print("SKIPPED: the end-to-end tests need root, so NOTHING of them was run")
        tally.skipped += 1
        return
    words = ["/usr/bin/python3", "-B", "-u", os.path.join(TESTS, "e2e", "run.py"), "--build", build, *filters]
    if everything:
        words.append("--all")
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, errors="replace") as child:
        deadline = time.monotonic() + E2E_LIMIT_S
        for line in child.stdout:
            print(line, end="", flush=True)
            found = re.match(r"(ok|FAIL|SKIP)\s+(e2e\.\S+)", line)
            if found and found.group(1) == "ok":
                tally.passed += 1
            elif found and found.group(1) == "SKIP":
                tally.skipped += 1
            elif found:
                tally.fail(found.group(2))
            if time.monotonic() > deadline:
                child.terminate()
        status = child.wait()
    if status not in (0, 1):
        tally.fail(f"e2e ended with status {status}")


def wait_for_leftovers(before, mark):
    """What is left, after a moment for the kernel to take down what is going."""
    deadline = time.monotonic() + LEFT_LIMIT_S
    while True:
        left = leftovers.new(before, leftovers.take(mark))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def hear_signals():
    """Who calls us may ignore some (nohup, a shell's `&`), and programs inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ignored in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_DFL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    hear_signals()
    began = time.monotonic()
    mark = str(os.getpid())
    environment = {**os.environ, leftovers.MARK: mark}
    if options.all:
        environment.setdefault("DEVRUN_NFS_KILLS", "100")  # how often unit tests kill an NFS server
        environment.setdefault("DEVRUN_FUZZ_ROUNDS", "100000")  # mutated task files
    build = os.path.join(ROOT, options.build)
    before = leftovers.take(mark)
    tally = Tally()
    run_lint(tally, environment, options.filters)
    run_unit(tally, build, environment, options.filters)
    if options.all:
        run_plants(tally, environment, options.filters)
    run_e2e(tally, build, environment, options.filters, options.all)
    left = wait_for_leftovers(before, mark)
    for line in left:
        print(line)
    if left:
        tally.fail("something is left behind")
    for name in tally.failures:
        print(f"failed: {name}")
    print(f"took {time.monotonic() - began:.0f} s")
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{skipped}", flush=True)
    return 1 if tally.failed else 0


sys.exit(main())
