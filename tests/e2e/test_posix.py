"""The file system of a job beside a plain directory: tests/posix, run in a real sandbox over snapshots.

The trees are made in the live volume; a job in a snapshot of it runs the scripts there, this machine runs them in a copy
on disk, and both must print the same.
"""
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile

import harness
from python_volume import put_python
from test_layers import layers_of_running

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCRIPTS = os.path.join(HERE, "posix")
sys.path.insert(0, SCRIPTS)
import tree  # noqa: E402

COUNT = int(os.environ.get("DEVRUN_POSIX_OPERATIONS", "300"))
SEEDS = int(os.environ.get("DEVRUN_POSIX_SEEDS", "12"))  # even ones as root, odd ones as a user
JOB_LIMIT_S = 110


def put_scripts(cluster, xattrs, seeds):
    """Into the live volume: Python, the scripts and their trees."""
    live = cluster.live("").rstrip("/")
    python = put_python(live)
    shutil.rmtree(live + "/posix", ignore_errors=True)
    shutil.copytree(SCRIPTS, live + "/posix", ignore=shutil.ignore_patterns("__pycache__"))
    tree.make_for_conformance(live + "/posix/conformance", "/bin/busybox", xattrs)
    for seed in seeds:
        tree.make(f"{live}/posix/random{seed}", seed, xattrs)
    return python


def words_of(seed, count, folder, xattrs):
    return [f"{folder}/random{seed}", str(seed), str(count), *(["--xattrs"] if xattrs else []),
            *(["--uid", "1000"] if seed % 2 else [])]


def on_this_machine(xattrs, seeds, count):
    """What the random operations print on a plain directory, by seed."""
    out = {}
    with tempfile.TemporaryDirectory(prefix="devrun-posix-") as folder:
        os.chmod(folder, 0o755)
        for seed in seeds:
            tree.make(f"{folder}/random{seed}", seed, xattrs)
            words = words_of(seed, count, folder, xattrs)
            done = subprocess.run(["/usr/bin/python3", "-B", f"{SCRIPTS}/random_ops.py", *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            out[seed] = done.stdout.splitlines()
    return out


def first_difference(one, two):
    for i, (ours, theirs) in enumerate(zip(one + ["(nothing more)"], two + ["(nothing more)"])):
        if ours != theirs:
            before = "\n    ".join(line[:200] for line in one[max(0, i - 60):i] if line.startswith("[") and "ENOENT" not in line)
            return f"in the job:\n    {before}\n -> {ours[:600]}\non a plain directory:\n -> {theirs[:600]}"
    return f"{len(one)} lines in the job, {len(two)} on a plain directory"


def make_layers(cluster):
    """From now on, jobs see much of the random trees in a delta over the rest: a new change time is a difference."""
    assert cluster.sh("true").status == 0
    found = []
    for folder, _, files in os.walk(cluster.live("posix").rstrip("/")):
        paths = [path for path in [folder, *(os.path.join(folder, name) for name in files)] if "/random" in path]
        found += [path for path in paths if not os.path.islink(path) and (path == folder or os.stat(path).st_nlink == 1)]
    for path in random.Random(7).sample(sorted(found), min(len(found) // 3, 150)):
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))


def compare(cluster, xattrs, seeds=range(SEEDS), count=COUNT, layers=1):
    python = put_scripts(cluster, xattrs, seeds)
    if layers > 1:
        make_layers(cluster)
        job = cluster.submit("exec sleep 1000")
        cluster.await_state(job, "RUNNING")
        assert layers_of_running(cluster) == layers
        cluster.cancel_all()
    done = cluster.devrun("--", python, "-B", "/posix/conformance.py", "/posix/conformance",
                          *(["--xattrs"] if xattrs else []), limit_s=JOB_LIMIT_S)
    assert done.status == 0, done.out.decode()[-4000:]
    expected = on_this_machine(xattrs, seeds, count)
    script = "".join(f"echo == {seed}; {python} -B /posix/random_ops.py "
                     f"{' '.join(words_of(seed, count, '/posix', xattrs))}\n" for seed in seeds)
    done = cluster.sh("set -e\n" + script, limit_s=JOB_LIMIT_S)
    assert done.status == 0, done
    parts = done.out.decode().split("== ")[1:]
    wrong = []
    for part in parts:
        lines = part.splitlines()
        seed = int(lines[0])
        if lines[1:] != expected[seed]:
            wrong.append(f"seed {seed}: {first_difference(lines[1:], expected[seed])}")
    assert len(parts) == len(seeds) and not wrong, f"{len(wrong)} of {len(seeds)} seeds differ\n" + "\n".join(wrong[:5])


@harness.own_cluster(nodes=1)
def test_a_job_s_file_system_behaves_as_a_plain_directory(cluster):
    compare(cluster, xattrs=False)


@harness.own_cluster(nodes=1)
def test_and_so_does_one_in_two_layers(cluster):
    compare(cluster, xattrs=False, layers=2)


@harness.own_cluster(nodes=1)
def test_and_so_does_one_with_extended_attributes(cluster):
    compare(cluster, xattrs=True)


@harness.own_cluster(nodes=1)
def test_and_many_more_random_operations(cluster):
    compare(cluster, xattrs=True, seeds=range(100, 130), count=1500)


test_and_many_more_random_operations.long = True
