"""A Slurm of its own on hosts of a test (hosts.py): munged, slurmctld and slurmd of Debian's packages, with configuration and
state of their own; nothing of this machine's is touched. All of it ends with the hosts.
"""
import os
import shutil

import harness

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "srun", "scontrol", "runuser")
CONFIG = """ClusterName=lab
SlurmctldHost={controller}({address})
SlurmUser=slurm
AuthType=auth/munge
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/{proctrack}
TaskPlugin={task}
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
KillWait={kill_wait}
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
{nodes}
PartitionName=batch Nodes=ALL Default=YES State=UP MaxTime=INFINITE
"""
CGROUP = """CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainCores=no
"""


def need():
    missing = [name for name in PROGRAMS if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        raise harness.Skip(f"Slurm is not installed here (deploy/install-packages test): {' '.join(missing)}")


def write(host, path, text):
    os.makedirs(os.path.dirname(host.path(path)), exist_ok=True)
    with open(host.path(path), "w", encoding="ascii") as file:
        file.write(text)


def begin(lan, controller, nodes, proctrack="linuxproc", kill_wait=20, cpus=4, memory_mb=6000):
    """slurmctld on `controller`, a slurmd on each of `nodes`."""
    need()
    key = os.urandom(1024)
    lines = "\n".join(f"NodeName={node.name} NodeAddr={node.address} CPUs={cpus} RealMemory={memory_mb} State=UNKNOWN" for node in nodes)
    config = CONFIG.format(controller=controller.name, address=controller.address, nodes=lines, proctrack=proctrack,
                           task="task/cgroup" if proctrack == "cgroup" else "task/none", kill_wait=kill_wait)
    names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in lan.hosts)
    for host in {controller, *nodes}:
        write(host, "/etc/hosts", names)
        write(host, "/etc/slurm/slurm.conf", config)
        write(host, "/etc/slurm/cgroup.conf", CGROUP)
        os.makedirs(host.path("/etc/munge"), exist_ok=True)
        with open(host.path("/etc/munge/munge.key"), "wb") as file:
            file.write(key)
        host.run("install -d -o munge -g munge /run/munge /var/log/munge /var/lib/munge\n"
                 "chown -R munge:munge /etc/munge; chmod 700 /etc/munge; chmod 600 /etc/munge/munge.key\n"
                 "runuser -u munge -- /usr/sbin/munged < /dev/null > /dev/null 2>&1")
    controller.run("install -d -o slurm -g slurm /var/spool/slurmctld; touch /var/log/slurmctld.log\n"
                   "chown slurm:slurm /var/log/slurmctld.log; chmod 755 /etc/slurm\n"
                   "slurmctld < /dev/null > /dev/null 2>&1")
    for node in nodes:
        node.run("install -d /var/spool/slurmd; slurmd < /dev/null > /dev/null 2>&1")
    harness.wait_until(lambda: controller.do("sinfo --noheader --format=%T%D").out.decode().strip() == f"idle{len(nodes)}",
                       "Slurm's nodes are idle", 30)


def logs(lan):
    out = ""
    for host in lan.hosts:
        done = host.do("for f in /var/log/slurm*.log /var/log/devrun-*.log; do [ -e $f ] && echo \"-- $f\" && tail -30 $f; done; true")
        out += f"── {host.name}\n{done.out.decode(errors='replace')}"
    return out
