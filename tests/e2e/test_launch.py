"""`devrun launch`: task files resolve, run as bash scripts, and refuse what is wrong before anything starts."""
import contextlib
import hashlib
import json
import os
import signal

from harness import finish, wait_until, write

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "examples")
SECRET = "hunter2-swordfish-xyzzy"


def task_file(cluster, text, name="task.yaml"):
    path = os.path.join(cluster.home, name)
    write(path, text)
    return path


def launch(cluster, text, *options, **more):
    return cluster.devrun("launch", *options, task_file(cluster, text), **more)


def ids(cluster):
    return {job["job"] for job in cluster.jobs()}


def refused(cluster, text, *options, **more):
    """The words of a launch that starts nothing."""
    before = ids(cluster)
    done = launch(cluster, text, *options, **more)
    assert done.status == 125 and done.out == b"", done
    assert ids(cluster) == before, "a refused launch makes no job"
    return done.err


def test_hello_runs(cluster):
    done = cluster.devrun("launch", os.path.join(EXAMPLES, "hello.yaml"))
    assert done.status == 0 and done.out == b"hello world from rank 0 of 1\nsetting up\n", done
    done = cluster.devrun("launch", os.path.join(EXAMPLES, "hello.yaml"), "--env", "WHOM=Ada")
    assert done.status == 0 and done.out.startswith(b"hello Ada from rank 0 of 1\n"), done


def test_setup_runs_before_run_in_the_same_file_system(cluster):
    done = launch(cluster, """
setup: |
  echo kept > /work/made-by-setup
  export MADE=variable
  echo in setup
run: |
  cat /work/made-by-setup
  echo ${MADE-unset}
""")
    assert done.status == 0 and done.out == b"in setup\nkept\nunset\n", done


def test_a_failed_setup_runs_nothing_and_gives_its_status(cluster):
    # At home in the volume. It begins with what another setup has left, which it does not look at: it runs once.
    done = launch(cluster, "setup: |\n  echo in setup\n  exit 7\nrun: echo never\n",
                  env=cluster.environment(HOME="/root"))
    assert done.status == 7 and done.out == b"in setup\n", done


def test_no_setup_leaves_it_out(cluster):
    done = launch(cluster, "setup: exit 7\nrun: echo ran\n", "--no-setup")
    assert done.status == 0 and done.out == b"ran\n", done


def test_the_status_is_the_last_commands(cluster):
    for run, status in (("false\n  true", 0), ("true\n  false", 1), ("false\n  (exit 41)", 41),
                        ("no-such-program", 127)):
        done = launch(cluster, f"run: |\n  {run}\n")
        assert done.status == status, (run, done)


def test_streams_stay_apart_and_stdin_is_empty(cluster):
    done = launch(cluster, "run: |\n  cat\n  echo out\n  echo err >&2\n", stdin=b"not for the task\n")
    assert done.status == 0 and done.out == b"out\n" and done.err == "err\n", done


def test_envs_reach_setup_and_run(cluster):
    text = """
envs:
  FROM_FILE: file
  FLAG: true
  OVER: file
  NEEDED: null
setup: echo setup $FROM_FILE $OVER $NEEDED
run: echo run $FROM_FILE $FLAG $OVER $NEEDED "$EXTRA"
"""
    variables = os.path.join(cluster.home, "variables")
    write(variables, "# a comment\nNEEDED=from-the-file\nexport EXTRA='two words'\nOVER=lost\n")
    done = launch(cluster, text, "--env-file", variables, "--env", "OVER=flag")
    assert done.status == 0, done
    assert done.out == b"setup file flag from-the-file\nrun file True flag from-the-file two words\n", done
    done = launch(cluster, text, "--env", "NEEDED", env=cluster.environment(NEEDED="mine"))
    assert done.status == 0 and b"run file True file mine \n" in done.out, done


def test_a_missing_required_env_is_named_and_starts_nothing(cluster):
    said = refused(cluster, "name: x\nenvs:\n  PRESENT: 1\n  ABSENT: null\nrun: echo never\n")
    assert ":4:3: error:" in said and "ABSENT" in said and "--env ABSENT=" in said and "PRESENT" not in said, said
    said = refused(cluster, "secrets:\n  HIDDEN: null\nrun: echo never\n")
    assert ":2:3: error:" in said and "HIDDEN" in said and "--secret HIDDEN=" in said, said


def test_secrets_reach_the_task_and_are_shown_nowhere(cluster):
    text = """
secrets:
  TOKEN: null
run: |
  printf %s "$TOKEN" | sha256sum
  exec sleep 1000
"""
    child = cluster.start("launch", "--secret", "TOKEN", task_file(cluster, text),
                          env=cluster.environment(TOKEN=SECRET))
    assert child.stdout.readline().split()[0].decode() == hashlib.sha256(SECRET.encode()).hexdigest()
    job = max(ids(cluster))
    told = {
        " ".join(words): cluster.devrun(*words)
        for words in (("show", str(job)), ("show", str(job), "--json"), ("ps", "-a"), ("ps", "-a", "--json"),
                      ("logs", str(job)), ("explain", str(job)))
    }
    for words, done in told.items():
        assert done.status == 0 and SECRET not in done.out.decode() + done.err, words
    assert "TOKEN" in cluster.show(job)["env_names"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert SECRET.encode() not in file.read(), f"in the arguments of {pid}"
        except (FileNotFoundError, ProcessLookupError):
            pass
    cluster.devrun("cancel", str(job))
    assert finish(child).status == 130
    assert SECRET not in cluster.logs()


def test_secrets_are_not_kept_in_clear(cluster):
    text = "secrets:\n  TOKEN: null\nrun: echo ${#TOKEN}\n"
    done = launch(cluster, text, "--secret", "TOKEN", env=cluster.environment(TOKEN=SECRET))
    assert done.status == 0 and int(done.out) == len(SECRET), done

    def holding():
        found = []
        for folder, _, names in os.walk(cluster.folder):
            for path in (os.path.join(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    if os.path.isfile(path) and os.path.getsize(path) < 64 << 20:
                        with open(path, "rb") as file:
                            found += [path] if SECRET.encode() in file.read() else []
        return found
    wait_until(lambda: not holding(), f"a secret gone from {holding()}")


def test_secrets_are_masked_in_the_plan(cluster):
    text = "envs:\n  TOKEN: null\nsecrets:\n  TOKEN: null\nworkdir: /x/${TOKEN}\nrun: echo\n"
    for options in (("--json",), ()):
        done = launch(cluster, text, "--dry-run", f"--secret=TOKEN={SECRET}", *options)
        assert done.status == 0 and SECRET not in done.out.decode() + done.err and b"TOKEN" in done.out, done


def test_an_unknown_key_is_an_error_with_its_place_and_the_nearest_one(cluster):
    said = refused(cluster, "name: x\nnum_node: 2\nresources:\n  accelerator: H100\nrun: echo never\n")
    assert ":2:1: error: unknown key 'num_node'" in said and "'num_nodes'" in said, said
    assert ":4:3: error: unknown key" in said and "'accelerators'" in said, said


def test_a_repeated_key_is_an_error_with_its_place(cluster):
    said = refused(cluster, "name: x\nrun: echo one\nrun: echo two\n")
    assert ":3:1: error:" in said and "run" in said, said


def test_what_is_no_yaml_or_no_file_starts_nothing(cluster):
    assert ": error: " in refused(cluster, "run: [1, 2\n")
    assert "error" in refused(cluster, "- a list\n")
    before = ids(cluster)
    done = cluster.devrun("launch", "/nonexistent/task.yaml")
    assert done.status == 125 and "/nonexistent/task.yaml" in done.err and ids(cluster) == before, done


def test_a_hint_is_one_warning_that_names_it(cluster):
    text = "resources:\n  use_spot: true\n  disk_size: 100\nrun: echo ran\n"
    done = launch(cluster, text)
    assert done.status == 0 and done.out == b"ran\n", done
    assert done.err.count("warning:") == 2, done
    for field in ("use_spot", "disk_size"):
        assert done.err.count(f"'resources.{field}'") == 1, done
    done = launch(cluster, text, "-q")
    assert done.status == 0 and done.err == "", done


def test_strict_makes_warnings_errors(cluster):
    said = refused(cluster, "resources:\n  use_spot: true\nrun: echo never\n", "--strict")
    assert ":2:3: error:" in said and "use_spot" in said and "warning" not in said, said


def test_dry_run_shows_the_plan_and_runs_nothing(cluster):
    text = ("name: planned\nnum_nodes: 2\nresources:\n  cpus: 4+\n  use_spot: true\nenvs:\n  A: b\n"
            "setup: echo s\nrun: echo r\n")
    nowhere = cluster.environment(DEVRUN_CONFIG="/nonexistent", DEVRUN_VOLUME="")
    before = ids(cluster)
    shown = launch(cluster, text, "--dry-run", env=nowhere)
    assert shown.status == 0, shown
    for words in ("planned", "A=b", "echo s", "echo r", "4 CPUs", "use_spot"):
        assert words in shown.out.decode() + shown.err, (words, shown)
    done = launch(cluster, text, "--dry-run", "--json", env=nowhere)
    assert done.status == 0, done
    plan = json.loads(done.out)
    (task,) = plan["tasks"]
    assert task["name"] == "planned" and task["nodes"] == 2 and task["envs"] == {"A": "b"}, task
    assert task["per_node"]["cpu_milli"] == 4000 and task["per_node"]["cpus_at_least"], task
    assert len(plan["warnings"]) == 1, plan
    assert ids(cluster) == before
    refused(cluster, "nam: x\nrun: echo\n", "--dry-run")


def test_d_prints_the_id_alone(cluster):
    done = launch(cluster, "name: quiet one\nrun: |\n  echo ran\n  exit 5\n", "-d")
    assert done.status == 0 and done.err == "" and done.out.strip().isdigit() and done.out.count(b"\n") == 1, done
    job = int(done.out)
    record = cluster.await_end(job)
    assert record["name"] == "quiet one" and record["ending"]["status"] == 5, record
    assert cluster.devrun("logs", str(job)).out == b"ran\n"


def test_a_signal_ends_the_program_of_a_script(cluster):
    child = cluster.start("launch", task_file(cluster, "run: |\n  echo up\n  sleep 1000\n  echo never\n"))
    assert child.stdout.readline() == b"up\n"
    job = str(cluster.jobs()[-1]["job"])
    # A signal that comes while bash forks is noted by nobody, here as in any shell.
    wait_until(lambda: b"sleep\n" in cluster.devrun("exec", job, "sh", "-c", "cat /proc/[0-9]*/comm").out, "it sleeps")
    child.send_signal(signal.SIGTERM)
    done = finish(child)
    assert done.status == 143 and done.out == b"", done


def test_what_a_script_is_run_by_is_not_seen_by_it(cluster):
    done = launch(cluster, "run: env | grep -E '^DEVRUN_TASK_|^__devrun' ; set | grep -c ^__devrun\n")
    assert done.out == b"0\n", done


def test_inside_a_shell_launch_needs_no_flags_and_workdir_is_sky_workdir(cluster):
    folder = cluster.live("work/project")
    os.makedirs(os.path.join(folder, "sub"), exist_ok=True)
    write(os.path.join(folder, "sub/data.txt"), "seen\n")
    write(os.path.join(folder, "task.yaml"), """
workdir: sub
setup: pwd
run: |
  [ "$PWD" = ~/sky_workdir ] && echo at home
  pwd -P
  cat data.txt
  echo written > out.txt
""")
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/project && devrun launch task.yaml")
    lines = done.out.decode().splitlines()
    assert done.status == 0 and lines[0].endswith("/sky_workdir"), done
    assert lines[1:] == ["at home", "/work/project/sub", "seen"], done
    assert "1 file, " in done.err and "sky_workdir" not in done.err, done
    write(os.path.join(folder, "sub/data.txt"), "edited\n")
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/project && devrun launch task.yaml")
    assert done.out.endswith(b"edited\n"), done


def test_a_workdir_that_is_no_folder_is_an_error(cluster):
    write(cluster.live("work/lost.yaml"), "workdir: no/such/folder\nrun: echo never\n")
    before = ids(cluster)
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work && devrun launch lost.yaml")
    assert done.status == 125 and "no/such/folder" in done.err and done.out == b"", done
    assert all(job["dev_container"] for job in cluster.jobs() if job["job"] not in before)


def test_a_waiting_launch_is_explained_by_its_request(cluster):
    done = launch(cluster, "resources:\n  accelerators: H100:8\nrun: echo never\n", "-d")
    job = int(done.out)
    said = cluster.devrun("explain", str(job))
    assert said.status == 0 and b"QUEUED" in said.out and b"8" in said.out and b"H100" in said.out, said
    cluster.devrun("cancel", str(job))
    wait_until(lambda: cluster.show(job)["state"] == "CANCELLED", "the end of the job")


def test_all_that_is_wrong_is_told_at_once(cluster):
    path = os.path.join(cluster.folder, "wrong.yaml")
    write(path, "num_nodes: 0\nenvs:\n  MODEL:\nrun: x\n")
    done = cluster.devrun("launch", path)
    assert done.status == 125 and "num_nodes" in done.err and "MODEL needs a value" in done.err, done
