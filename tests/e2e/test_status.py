"""Exit statuses are the command's own, and devrun's where the command has none."""


def test_success_is_0(cluster):
    done = cluster.devrun("true")
    assert done.status == 0, done
    assert done.out == b"", done


def test_the_commands_own_status_comes_back(cluster):
    for status in (1, 42, 255):
        done = cluster.sh(f"exit {status}")
        assert done.status == status, done


def test_a_signal_n_is_128_plus_n(cluster):
    for name, status in (("9", 137), ("TERM", 143), ("SEGV", 139)):
        done = cluster.sh(f"kill -{name} $$")
        assert done.status == status, done


def test_a_program_that_is_not_there_is_127(cluster):
    for word in ("no-such-program", "/work/no-such-file"):
        done = cluster.devrun("--", word)
        assert done.status == 127, done
        assert word in done.err and done.err.startswith("devrun: "), done


def test_a_file_that_is_not_executable_is_126(cluster):
    done = cluster.devrun("--", "/work/not-executable")
    assert done.status == 126, done
    assert done.err.startswith("devrun: "), done


def test_a_first_word_that_is_a_command_of_devrun_runs_after_two_dashes(cluster):
    done = cluster.devrun("--", "ps")
    assert done.status == 0 and b"PID" in done.out, done


def test_a_usage_error_is_2_and_starts_nothing(cluster):
    before = len(cluster.jobs())
    done = cluster.devrun("--no-such-option", "true")
    assert done.status == 2, done
    assert done.err.startswith("devrun: "), done
    assert len(cluster.jobs()) == before


def test_a_time_limit_is_124(cluster):
    done = cluster.sh("exec sleep 1000", "--time", "1s")
    assert done.status == 124, done


def test_a_death_by_the_memory_limit_is_called_so(cluster):
    script = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}"
    done = cluster.sh(script, "--memory", "64M")
    assert done.status == 137 and "used more than its memory limit of 64 MB" in done.err, done
    assert "Try: a larger --memory" in done.err, done
