"""What a program reads first is remembered in the store, and brought to the next node that runs it."""
import glob
import os
import subprocess

from harness import own_cluster, wait_until, write

READS = "cat /data/blob /work/twin1 /work/twin2 > /dev/null"


def traces(cluster, volume=None):
    keeper = cluster.pid("store.keeper")
    return glob.glob(f"/proc/{keeper}/root{cluster.folder}/store/export/traces/{volume or cluster.volume}/*")


def fresh_node(cluster):
    """node1 with nothing in its caches, of devrun or of the kernel."""
    for daemon in ("node1.agent", "node1.keeper", "node1.fs"):  # the keeper before what it would start again
        if cluster.pid(daemon):
            cluster.kill(daemon)
    subprocess.run(["rm", "-rf", os.path.join(cluster.folder, "nodes/node1/fs/cache")], check=True)
    cluster.mend()


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


@own_cluster(nodes=1)
def test_a_first_run_leaves_a_trace_that_later_ones_use_and_that_may_be_damaged(cluster):
    first = cluster.sh(READS)
    assert first.status == 0, first
    files = wait_until(lambda: traces(cluster), "a trace in the store")
    text = b"".join(content_of(path) for path in files)
    assert b"data/blob" in text and b"work/twin1" in text, text[:400]
    assert not traces(cluster, "other")
    # On a node that has nothing, after an edit that the trace cannot know.
    write(cluster.live("work/twin1"), "edited\n")
    fresh_node(cluster)
    again = cluster.sh(READS + "; cat /work/twin1; md5sum < /data/blob")
    blob = subprocess.run(["md5sum"], input=cluster.blob, stdout=subprocess.PIPE, check=True).stdout
    assert again.out == b"edited\n" + blob, again
    # Damaged, or of something else: runs do not care.
    for number, path in enumerate(traces(cluster)):
        with open(path, "wb") as file:
            file.write(b"devrunT1 and then nothing" if number % 2 else text[:-1])
    fresh_node(cluster)
    done = cluster.sh(READS + "; cat /work/twin1; md5sum < /data/blob")
    assert done.out == b"edited\n" + blob, done
    gone = cluster.devrun("volume", "rm", cluster.volume, "--yes")
    assert gone.status == 0, gone
    assert not traces(cluster)
