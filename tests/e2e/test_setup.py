"""Setup once: a setup step whose inputs are what they were is skipped, whatever else was edited."""
import inspect
import os
import shutil
import zipfile

from harness import Skip, finish, wait_until, write
from python_volume import put_python
from test_launch import launch, task_file

TASK = """
name: train
setup: |
  cd /work/proj
  cat requirements.txt > installed
  [ -e extra.txt ] && cat extra.txt >> installed
  [ -e marks ] || : > marks
  echo ran >> marks
  echo setting up
run: |
  cd /work/proj
  cat installed train.py
  wc -l < marks
"""


def project(cluster, name="proj"):
    folder = cluster.live(f"work/{name}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    write(f"{folder}/requirements.txt", "torch\n")
    write(f"{folder}/train.py", "train 1\n")
    return folder


def newest(cluster):
    """The job that was launched last, not its setup."""
    return cluster.show(max(job["job"] for job in cluster.jobs() if not job["name"].endswith(" setup")))


def run(cluster, text, *options):
    done = launch(cluster, text, *options)
    assert done.status == 0, done
    return done, newest(cluster)


def named(text):
    """The task under the name of the test: what is kept of one test is not the next one's."""
    return text.replace("name: train", "name: " + inspect.stack()[1].function.removeprefix("test_")[:40])


def test_a_hit_is_skipped_whatever_else_was_edited(cluster):
    text = named(TASK)
    folder = project(cluster)
    done, job = run(cluster, text)
    assert done.out == b"setting up\ntorch\ntrain 1\n1\n", done
    assert job["setup"]["how"] == "cold", job["setup"]
    write(f"{folder}/train.py", "train 2\n")
    write(f"{folder}/new.py", "not looked at\n")
    done, job = run(cluster, text)
    assert done.out == b"torch\ntrain 2\n1\n", done
    assert job["setup"]["how"] == "hit", job["setup"]
    assert "hit: nothing that it read has changed" in cluster.devrun("show", str(job["job"])).out.decode()
    assert not os.path.exists(f"{folder}/installed"), "what setup writes never comes home"
    done, job = run(cluster, text)
    assert done.out == b"torch\ntrain 2\n1\n" and job["setup"]["how"] == "hit", (done, job["setup"])


def test_inputs_that_change_run_it_again_on_what_it_left(cluster):
    text = named(TASK)
    folder = project(cluster)
    run(cluster, text)

    def changed():
        write(f"{folder}/requirements.txt", "numpy\n")

    def added():
        write(f"{folder}/extra.txt", "extra\n")

    def touched():
        os.utime(f"{folder}/requirements.txt", ns=(10**18, 10**18))

    def deleted():
        os.remove(f"{folder}/extra.txt")

    def mode():
        os.chmod(f"{folder}/requirements.txt", 0o600)

    out = {changed: b"numpy\n", added: b"numpy\nextra\n", touched: b"numpy\nextra\n", deleted: b"numpy\n",
           mode: b"numpy\n"}
    said = {changed: "requirements.txt changed", added: "extra.txt added", touched: "requirements.txt touched",
             deleted: "extra.txt deleted", mode: "requirements.txt changed"}
    for times, edit in enumerate(out, 2):
        edit()
        done, job = run(cluster, text)
        assert done.out == b"setting up\n" + out[edit] + b"train 1\n%d\n" % times, (edit.__name__, done)
        assert job["setup"]["how"] == "near", (edit.__name__, job["setup"])
        assert "/work/proj/" + said[edit] in job["setup"]["why"], (edit.__name__, job["setup"])
        done, job = run(cluster, text)
        assert done.out == out[edit] + b"train 1\n%d\n" % times and job["setup"]["how"] == "hit", (edit.__name__, done)


def test_a_folder_that_was_listed_is_an_input_by_its_names(cluster):
    folder = project(cluster)
    task = named("name: train\nsetup: set -- /work/proj/*; echo $# > /work/count\nrun: cat /work/count\n")
    assert run(cluster, task)[0].out == b"2\n"
    write(f"{folder}/train.py", "other bytes\n")
    done, job = run(cluster, task)
    assert done.out == b"2\n" and job["setup"]["how"] == "hit", (done, job["setup"])
    write(f"{folder}/third", "")
    done, job = run(cluster, task)
    assert done.out == b"3\n" and job["setup"]["how"] == "near", (done, job["setup"])
    assert "/work/proj/third added to a folder that it lists" in job["setup"]["why"], job["setup"]


def test_a_step_that_fails_on_what_it_left_is_run_once_more_without(cluster):
    folder = project(cluster)
    task = named("name: train\nsetup: set -e; mkdir /work/made; cat /work/proj/requirements.txt > /work/made/x\nrun: cat /work/made/x\n")
    assert run(cluster, task)[0].out == b"torch\n"
    write(f"{folder}/requirements.txt", "numpy\n")
    done, job = run(cluster, task)
    assert done.status == 0 and done.out == b"numpy\n", done
    assert "File exists" in done.err, done
    done, job = run(cluster, task)
    assert done.out == b"numpy\n" and job["setup"]["how"] == "hit", (done, job["setup"])


def test_what_is_edited_back_is_found_again(cluster):
    text = named(TASK)
    folder = project(cluster)
    run(cluster, text)
    stamp = os.stat(f"{folder}/requirements.txt").st_mtime_ns
    write(f"{folder}/requirements.txt", "numpy\n")
    assert run(cluster, text)[1]["setup"]["how"] == "near"
    write(f"{folder}/requirements.txt", "torch\n")
    os.utime(f"{folder}/requirements.txt", ns=(stamp, stamp))
    done, job = run(cluster, text)
    assert job["setup"]["how"] == "hit" and done.out == b"torch\ntrain 1\n1\n", (done, job["setup"])


def test_text_environment_and_secrets_are_inputs(cluster):
    project(cluster)
    task = named("name: train\nenvs:\n  A: 1\nsecrets:\n  S: x\nsetup: echo $A $S > /work/v\nrun: cat /work/v\n")
    assert run(cluster, task)[1]["setup"]["how"] == "cold"
    done, job = run(cluster, task)
    assert job["setup"]["how"] == "hit", job["setup"]
    done, job = run(cluster, task, "--env", "A=2")
    assert done.out == b"2 x\n" and job["setup"]["how"] == "near", (done, job["setup"])
    done, job = run(cluster, task, "--secret", "S=y")
    assert done.out == b"1 y\n" and job["setup"]["how"] == "near", (done, job["setup"])
    done, job = run(cluster, task)
    assert done.out == b"1 x\n" and job["setup"]["how"] == "hit", (done, job["setup"])
    # The program is none of its inputs.
    done, job = run(cluster, task.replace("run: cat /work/v", "run: cat /work/v /work/v"))
    assert done.out == b"1 x\n1 x\n" and job["setup"]["how"] == "hit", (done, job["setup"])
    done, job = run(cluster, task, "--fresh-setup")
    assert done.out == b"1 x\n" and job["setup"]["how"] == "cold", (done, job["setup"])


def test_a_failed_setup_leaves_nothing_but_its_output(cluster):
    folder = project(cluster)
    task = named("name: train\nsetup: |\n  cd /work/proj\n  echo half > half-done\n  echo in setup\n  [ -e fixed ]\n"
            "run: |\n  ls /work/proj\n")
    done = launch(cluster, task)
    assert done.status == 1 and done.out == b"in setup\n", done
    job = newest(cluster)
    assert job["state"] == "FAILED" and "its setup, job" in job["ending"]["reason"], job
    logs = cluster.devrun("logs", str(job["job"]))
    assert logs.out == b"in setup\n", logs
    write(f"{folder}/fixed", "")
    done, job = run(cluster, task.replace("echo half > half-done\n", "ls\n"))
    assert job["setup"]["how"] == "cold", job["setup"]
    assert b"half-done" not in done.out, done


def test_what_a_mount_is_of_is_an_input(cluster):
    folder = project(cluster)
    text = named("name: train\nfile_mounts:\n  /in: ./a\nsetup: cat /in/wants > /work/proj/got\nrun: cat /work/proj/got\n")

    def launched(mounted):
        write(f"{folder}/task.yaml", text.replace("./a", mounted))
        done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c", "cd /work/proj && devrun launch -q task.yaml")
        return done.out, newest(cluster)["setup"]["how"]

    for name in "ab":
        os.makedirs(f"{folder}/{name}")
        write(f"{folder}/{name}/wants", name + "\n")
    assert launched("./a") == (b"a\n", "cold")
    assert launched("./a") == (b"a\n", "hit")
    out, how = launched("./b")
    assert out == b"b\n" and how != "hit", (out, how)
    assert launched("./a") == (b"a\n", "hit")


def test_what_is_added_to_a_folder_that_setup_renames_is_seen(cluster):
    folder = project(cluster)
    os.makedirs(f"{folder}/src")
    write(f"{folder}/src/one.py", "1\n")
    text = named("name: train\nsetup: |\n  cd /work/proj\n  mv src pkg\nrun: ls /work/proj/pkg\n")
    assert run(cluster, text)[0].out == b"one.py\n"
    assert run(cluster, text)[1]["setup"]["how"] == "hit"
    write(f"{folder}/src/two.py", "2\n")
    launch(cluster, text)
    assert newest(cluster)["setup"]["how"] != "hit"


def test_many_setups_may_begin_with_one_tree(cluster):
    project(cluster)
    text = named("name: train\nenvs: {N: null}\nsetup: exit 7\nrun: 'true'\n")
    jobs = [int(launch(cluster, text, "-d", "--env", f"N={number}").out) for number in range(70)]
    ends = [cluster.await_end(job, limit_s=100)["ending"]["status"] for job in jobs]
    assert ends == [7] * len(jobs), ends


def test_concurrent_launches_share_one_run(cluster):
    project(cluster)
    os.makedirs(cluster.live("work/gate"), exist_ok=True)
    task = named("name: train\nsetup: |\n  cat /work/proj/requirements.txt > /work/once\n  sleep 2\n  date +%s%N >> /work/once\n"
            "run: cat /work/once\n")
    path = task_file(cluster, task)
    children = [cluster.start("launch", path) for _ in range(4)]
    # Another edit meanwhile is none that it reads.
    wait_until(lambda: any(job["name"].endswith("run setup") for job in cluster.jobs()), "a setup runs")
    write(cluster.live("work/proj/train.py"), "edited meanwhile\n")
    children.append(cluster.start("launch", path))
    outs = {finish(child).out for child in children}
    assert len(outs) == 1 and next(iter(outs)).startswith(b"torch\n"), (outs, newest(cluster)["setup"])
    assert [job["name"] for job in cluster.jobs()].count("concurrent_launches_share_one_run setup") == 1


def test_what_setup_leaves_in_tmp_is_there_for_the_program(cluster):
    project(cluster)
    task = named("name: train\nsetup: echo kept > /tmp/from-setup\nrun: cat /tmp/from-setup\n")
    assert run(cluster, task)[0].out == b"kept\n"
    done, job = run(cluster, task)
    assert done.out == b"kept\n" and job["setup"]["how"] == "hit", (done, job["setup"])


def test_on_a_gang_it_runs_once_unless_it_names_its_rank(cluster):
    project(cluster)
    task = named("name: train\nnum_nodes: 2\nsetup: |\n  date +%s%N > /work/stamp\n"
            "run: |\n  cat /work/stamp\n  echo rank $SKYPILOT_NODE_RANK\n")
    done, job = run(cluster, task)
    lines = [line.split(b" ", 1)[1] for line in done.out.splitlines()]
    stamps = {line for line in lines if not line.startswith(b"rank")}
    assert len(stamps) == 1 and sorted(line for line in lines if line.startswith(b"rank")) == [b"rank 0", b"rank 1"], done
    assert job["setup"]["how"] == "cold", job["setup"]
    task = task.replace("date +%s%N", "echo $SKYPILOT_SETUP_NODE_RANK")
    done = launch(cluster, task)
    assert done.status == 0 and {b"[0] 0", b"[1] 1"} <= set(done.out.splitlines()), done
    assert "setup" not in newest(cluster), newest(cluster)


def test_what_the_program_does_to_setups_files_comes_home_and_nothing_else_does(cluster):
    # The caller's home is a folder of the volume here.
    folder = project(cluster)
    task = named("name: train\nsetup: |\n  mkdir -p /work/proj/out\n  echo setup > /work/proj/out/base\n  echo setup > /work/proj/log\n"
            "run: |\n  cd /work/proj\n  echo more >> log\n  echo result > out/result\n")
    path = os.path.join(cluster.home, "home.yaml")
    write(path, task)
    shutil.copy(path, f"{folder}/home.yaml")
    shell = cluster.devrun("shell", "--", "sh", "-c", "cd /work/proj && devrun launch home.yaml")
    assert shell.status == 0, shell
    assert open(f"{folder}/out/result", encoding="utf-8").read() == "result\n"
    assert open(f"{folder}/log", encoding="utf-8").read() == "setup\nmore\n"
    assert not os.path.exists(f"{folder}/out/base"), "setup wrote it"
    changes = cluster.devrun("changes", str(newest(cluster)["job"]))
    assert "out/result" in changes.out.decode() and "out/base" not in changes.out.decode(), changes
    cluster.devrun("shell", "--stop")


def wheel(folder, name, version):
    """The smallest package that pip installs."""
    info = f"{name}-{version}.dist-info"
    os.makedirs(folder, exist_ok=True)
    with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"version = '{version}'\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def test_pip_into_a_virtual_environment_runs_once_per_requirements(cluster):
    pip = "/usr/lib/python3/dist-packages/pip"
    if not os.path.isdir(pip):
        raise Skip("apt-get install python3-pip")
    live = cluster.live("").rstrip("/")
    put_python(live)
    os.makedirs(f"{live}/usr/bin", exist_ok=True)
    if not os.path.lexists(f"{live}/usr/bin/python3"):
        os.symlink(os.path.realpath("/usr/bin/python3"), f"{live}/usr/bin/python3")
    shutil.copytree(pip, live + pip, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    folder = project(cluster)
    for version in ("1.0", "2.0"):
        wheel(f"{folder}/wheels", "tiny", version)
    write(f"{folder}/requirements.txt", "tiny==1.0\n")
    write(f"{folder}/train.py", "import tiny\nprint('one', tiny.version)\n")
    task = named("""
name: train
setup: |
  cd /work/proj
  python3 -m venv --without-pip .venv
  python3 -m pip --python .venv/bin/python3 install -q --no-index --find-links wheels -r requirements.txt
run: |
  cd /work/proj
  . .venv/bin/activate
  python3 train.py
""")
    done, job = run(cluster, task)
    assert done.out == b"one 1.0\n" and job["setup"]["how"] == "cold", (done, job["setup"])
    write(f"{folder}/train.py", "import tiny\nprint('two', tiny.version)\n")
    done, job = run(cluster, task)
    assert done.out == b"two 1.0\n" and job["setup"]["how"] == "hit", (done, job["setup"])
    write(f"{folder}/requirements.txt", "tiny==2.0\n")
    done, job = run(cluster, task)
    assert done.out == b"two 2.0\n" and job["setup"]["how"] == "near", (done, job["setup"])
    assert "requirements.txt changed" in job["setup"]["why"], job["setup"]
    write(f"{folder}/train.py", "import tiny\nprint('three', tiny.version)\n")
    done, job = run(cluster, task)
    assert done.out == b"three 2.0\n" and job["setup"]["how"] == "hit", (done, job["setup"])
