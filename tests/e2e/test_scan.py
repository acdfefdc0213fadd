"""A store of plain folders (`up --driver scan`): everything else is as on btrfs."""
import json
import os
import subprocess

from harness import Skip, own_cluster, write


def scanned(function):
    """On a cluster of its own, unless temporary files are where the driver is not to be had."""
    run = own_cluster(nodes=1, driver="scan")(function)

    def wrapped(build):
        kind = subprocess.run(["stat", "-f", "-c", "%T", "/tmp"], stdout=subprocess.PIPE, text=True, check=True).stdout
        if kind.strip() in ("btrfs", "tmpfs"):
            raise Skip(f"/tmp is on {kind.strip()}, and NOTHING of the driver scan was run end to end")
        run(build)
    wrapped.own = True
    return wrapped


@scanned
def test_a_run_from_a_scanned_volume_sees_every_edit_and_survives_a_restart(cluster):
    volumes = json.loads(cluster.devrun("volume", "ls", "--json").out)["volumes"]
    assert [volume["driver"] for volume in volumes] == ["scan"], volumes
    assert not os.path.exists(os.path.join(cluster.folder, "store.img"))
    for number in range(4):
        write(cluster.live("work/version"), f"edit {number}\n")
        done = cluster.devrun("cat", "/work/version")
        assert done.out == f"edit {number}\n".encode(), done
    os.rename(cluster.live("work/version"), cluster.live("work/renamed"))
    done = cluster.sh("cat /work/renamed; test -e /work/version || echo gone; md5sum </data/blob")
    assert done.out.startswith(b"edit 3\ngone\n"), done
    blob = subprocess.run(["md5sum"], input=cluster.blob, stdout=subprocess.PIPE, check=True).stdout
    assert done.out.endswith(blob), done
    cluster.kill("controller")
    cluster.mend()
    write(cluster.live("work/renamed"), "after\n")
    assert cluster.devrun("cat", "/work/renamed").out == b"after\n"
    again = cluster.up("--driver", "btrfs")
    assert "keeps its driver" in again.err, again
