"""Names that are no UTF-8, which Linux allows, in all the places where a user can put them: each is answered, and the
node goes on as if nothing had been."""
import os

ODD = os.fsdecode(b"\xff\xfe")


def goes_on(cluster):
    done = cluster.devrun("--cpus", "0.1", "echo", "fine")
    assert (done.status, done.out) == (0, b"fine\n"), done


def test_a_directory_that_is_no_text(cluster):
    done = cluster.devrun("-C", "/" + ODD, "true")
    assert done.status == 125 and "\\xff\\xfe" in done.err, done
    goes_on(cluster)


def test_a_program_that_is_no_text(cluster):
    done = cluster.devrun("--", ODD)
    assert done.status == 127 and "\\xff\\xfe: command not found" in done.err, done
    goes_on(cluster)


def test_lists_and_records_are_text(cluster):
    job = cluster.devrun("-d", "--", "true", ODD).out.decode().strip()
    cluster.await_end(int(job))
    for words in (("ps", "-a"), ("ps", "-a", "--json"), ("show", job), ("show", "--json", job)):
        done = cluster.devrun(*words)
        assert done.status == 0 and done.out.decode(), done
    assert "'\\xff\\xfe'" in cluster.devrun("show", job).out.decode()


def test_arguments_and_variables_are_bytes(cluster):
    done = cluster.devrun("-e", "ODD=" + ODD, "sh", "-c", 'printf "%s" "$1$ODD"', "sh", ODD)
    assert (done.status, done.out) == (0, b"\xff\xfe\xff\xfe"), done


def test_a_session_whose_program_is_no_text(cluster):
    job = cluster.submit("echo begin; exec sleep 1000")
    try:
        done = cluster.devrun("exec", str(job), "--", ODD)
        assert done.status == 127 and "\\xff\\xfe" in done.err, done
        assert cluster.devrun("exec", str(job), "--", "echo", "fine").out == b"fine\n"
    finally:
        cluster.devrun("cancel", str(job))
        cluster.await_end(job)


def test_options_that_are_text_refuse_other_bytes(cluster):
    for option in ("--name", "--pool", "--volume"):
        done = cluster.devrun(option, ODD, "true")
        assert done.status in (2, 125) and "'\\xff\\xfe' is no UTF-8 text" in done.err, done
