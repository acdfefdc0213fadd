"""Every failure is one clear `devrun: …` with the next step and the right status; nothing is started."""
import os

from harness import finish


def is_clear(done, status=125):
    assert done.status == status, done
    assert done.err.startswith("devrun: "), done
    assert done.out == b"", done


def test_an_unknown_volume_names_the_nearest(cluster):
    done = cluster.devrun("--volume", "bax", "true")
    is_clear(done)
    assert "bax" in done.err and "box" in done.err, done


def test_no_volume_at_all_says_how_to_name_one(cluster):
    done = cluster.devrun("true", env=cluster.environment(DEVRUN_VOLUME=""))
    is_clear(done)
    assert "--volume" in done.err, done


def test_a_container_cannot_do_what_is_the_hosts(cluster):
    for words in ("up", "down", "doctor"):
        done = cluster.devrun("shell", cluster.volume, "--", "devrun", *words.split())
        is_clear(done)
        assert "dev container or a job" in done.err and "on the host" in done.err, (words, done)
    done = cluster.devrun("shell", cluster.volume, "--", "devrun", "volume", "create", "x", "--from-dir", "/root")
    is_clear(done)
    assert "from a container" in done.err and "outside" in done.err, done


def test_a_folder_that_is_not_there_is_looked_for_where_it_should_be(cluster):
    done = cluster.devrun("volume", "create", "x", "--from-dir", "/nonexistent")
    is_clear(done)
    assert "ls -ld /nonexistent, on the storage host" in done.err, done
    done = cluster.devrun("launch", "--dry-run", cluster.home)
    is_clear(done)
    assert f"{cluster.home} is a folder" in done.err, done


def test_a_job_that_no_node_can_ever_hold_says_what_the_largest_has(cluster):
    for option, amount in (("--cpus", "1000"), ("--memory", "100T")):
        child = cluster.start(option, amount, "true")
        said = child.stderr.readline().decode()
        assert said.startswith("devrun: job ") and "largest" in said and "Try: devrun explain" in said, said
        job = cluster.jobs()[-1]["job"]
        assert cluster.devrun("cancel", str(job)).status == 0
        assert finish(child).status == 130


def test_a_waiting_job_says_why(cluster):
    with cluster.filled():
        job = cluster.submit("true", "--cpus", "1")
        record = cluster.show(job)
        assert record["state"] == "QUEUED" and record["reason"], record
        said = cluster.devrun("explain", str(job))
        assert said.status == 0 and b"node" in said.out, said
    assert cluster.await_end(job)["state"] == "SUCCEEDED"


def test_a_controller_that_is_down_is_said_with_what_to_do(cluster):
    cluster.kill("controller")
    try:
        done = cluster.devrun("true", limit_s=30)
        is_clear(done)
        assert "controller" in done.err and "up" in done.err, done
        done = cluster.devrun("ps", limit_s=30)
        is_clear(done)
    finally:
        cluster.mend()
    assert cluster.devrun("true").status == 0


def test_an_unknown_job_is_said(cluster):
    for words in (("show", "999999"), ("logs", "999999"), ("cancel", "999999")):
        is_clear(cluster.devrun(*words))


def test_bad_words_name_place_and_expectation(cluster):
    for words in (("--memory", "16Q", "true"), ("--cpus", "-3", "true"), ("--time", "soon", "true")):
        done = cluster.devrun(*words)
        assert done.status in (2, 125) and done.err.startswith("devrun: "), done
        assert words[1] in done.err, done


def test_a_mistyped_command_that_is_no_program_says_so(cluster):
    for word, meant in (("canel", "cancel"), ("volumes", "volume")):
        done = cluster.devrun(word, "3")
        assert done.status == 127 and f"Try: devrun help {meant}" in done.err, done
    assert "devrun help" not in cluster.devrun("nosuchprogram").err


def test_what_cannot_be_read_ends_with_what_to_try(cluster):
    done = cluster.devrun("launch", "nosuch.yaml")
    is_clear(done)
    assert "nosuch.yaml" in done.err and "Try: devrun launch" in done.err, done
    broken = os.path.join(cluster.home, "config-without-keys.yaml")
    with open(cluster.config, encoding="utf-8") as file:
        text = file.read()
    with open(broken, "w", encoding="utf-8") as file:
        file.write(text.replace("/pki/", "/nosuch/"))
    done = cluster.devrun("ps", env=cluster.environment(DEVRUN_CONFIG=broken))
    is_clear(done)
    assert ". Try: " in done.err, done


def test_a_bad_volume_name_is_refused(cluster):
    for name in ("../x", "A", "", "a/b", "-x"):
        done = cluster.devrun("volume", "create", "--from-dir", cluster.root, "--", name)
        assert done.status in (2, 125) and done.err.startswith("devrun: "), done
