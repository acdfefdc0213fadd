"""Every failure is one clear `devrun: …` with the next step and the right status; nothing is started."""


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


def test_more_than_any_node_has_is_refused_with_what_there_is(cluster):
    done = cluster.devrun("--cpus", "1000", "true")
    is_clear(done)
    assert "1000" in done.err, done
    done = cluster.devrun("--memory", "100T", "true")
    is_clear(done)


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


def test_a_bad_volume_name_is_refused(cluster):
    for name in ("../x", "A", "", "a/b", "-x"):
        done = cluster.devrun("volume", "create", "--from-dir", cluster.root, "--", name)
        assert done.status in (2, 125) and done.err.startswith("devrun: "), done
