"""A job has its caller's directory, ids, groups, umask and environment."""
import os
import shutil

from harness import write


def as_ada(cluster):
    """A configuration that uid 1000 can read."""
    folder = os.path.join(cluster.home, "ada")
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o755)
        for name in ("ca.crt", "admin.crt", "admin.key"):
            shutil.copy(os.path.join(cluster.folder, "pki", name), os.path.join(folder, name))
            os.chmod(os.path.join(folder, name), 0o644)
        with open(cluster.config, encoding="utf-8") as file:
            text = file.read()
        write(os.path.join(folder, "config.yaml"), text.replace(os.path.join(cluster.folder, "pki"), folder))
    return cluster.environment(DEVRUN_CONFIG=os.path.join(folder, "config.yaml"))


def test_ids_groups_and_umask_are_the_callers(cluster):
    done = cluster.sh("id -u; id -g; id -G; umask; touch /home/ada/f; stat -c '%u %a' /home/ada/f",
                      env=as_ada(cluster), user=1000, group=1000, extra_groups=[1000, 2000], umask=0o027)
    assert done.status == 0, done
    assert done.out == b"1000\n1000\n1000 2000\n0027\n1000 640\n", done


def test_root_is_root(cluster):
    assert cluster.sh("id -u; umask", umask=0o022).out == b"0\n0022\n"


def test_the_directory_is_the_callers(cluster):
    assert cluster.devrun("pwd", cwd="/usr/bin").out == b"/usr/bin\n"
    assert cluster.devrun("-C", "/work", "pwd").out == b"/work\n"


def test_a_directory_that_the_job_would_not_have_is_an_error_and_runs_nothing(cluster):
    done = cluster.devrun("-C", "/no/such/folder", "--", "sh", "-c", "echo ran")
    assert done.status == 125 and done.out == b"", done
    assert "/no/such/folder" in done.err and done.err.startswith("devrun: "), done


def test_the_environment_comes_along_but_for_the_documented_list(cluster):
    stays = {"TMUX": "1", "TMUX_PANE": "1", "STY": "1", "SSH_AUTH_SOCK": "1", "SSH_TTY": "1", "VSCODE_PID": "1",
             "XDG_RUNTIME_DIR": "1", "XDG_SESSION_ID": "1", "DBUS_SESSION_BUS_ADDRESS": "1", "DISPLAY": "1",
             "HOSTNAME": "1", "SLURM_JOB_ID": "1", "PMI_RANK": "1", "OMPI_X": "1", "CUDA_VISIBLE_DEVICES": "9"}
    goes = {"LR": "3e-4", "EMPTY": "", "MULTI": "two\nlines", "UTF": "\u00e4", "XDG_DATA_HOME": "/x"}
    done = cluster.devrun("env", "-0", env=cluster.environment(**stays, **goes))
    if done.status != 0:  # a busybox without -0
        done = cluster.devrun("cat", "/proc/self/environ", env=cluster.environment(**stays, **goes))
    assert done.status == 0, done
    seen = dict(entry.split("=", 1) for entry in done.out.decode().split("\0") if "=" in entry)
    for name, value in goes.items():
        assert seen.get(name) == value, (name, seen)
    for name, value in stays.items():
        assert seen.get(name) != value, (name, seen)
    assert any(name.startswith("DEVRUN_") for name in seen), seen


def test_e_sets_and_takes_over_variables(cluster):
    done = cluster.sh("echo $A $DISPLAY", "-e", "A=b c", "-e", "DISPLAY", env=cluster.environment(DISPLAY=":7"))
    assert done.out == b"b c :7\n", done


def test_values_of_variables_are_not_kept_in_clear(cluster):
    secret = "s3cret-" + os.urandom(8).hex()
    job = cluster.submit("true", "-e", f"TOKEN={secret}")
    record = cluster.await_end(job)
    assert "TOKEN" in record["env_names"] and secret not in str(record), record
    folder = os.path.join(cluster.folder, "controller")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            assert secret.encode() not in file.read(), name


def test_name_resolution_and_hostname_are_there(cluster):
    done = cluster.sh("hostname; cat /etc/hosts; test -e /etc/resolv.conf && echo resolv")
    assert done.status == 0 and b"localhost" in done.out and b"resolv" in done.out, done
    assert done.out.split(b"\n")[0], done


def test_proc_and_dev_work(cluster):
    done = cluster.sh("echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /proc | grep -c '^[0-9]'; ls /dev/shm")
    assert done.status == 0 and done.out.split()[0] == b"4", done
    assert int(done.out.split()[1]) < 10, f"its own pid namespace: {done}"


def test_nothing_of_devruns_own_settings_gets_into_a_job(cluster):
    plain = {name: value for name, value in cluster.environment().items() if not name.startswith("GRPC_")}
    done = cluster.devrun("env", env=plain)
    assert done.status == 0 and b"GRPC_" not in done.out, done
