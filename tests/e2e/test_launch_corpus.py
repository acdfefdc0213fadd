"""Files that people really wrote, run: what asks for hardware is taken out, programs that the volume lacks are stubs."""
import json
import os
import re
import shutil

from harness import Skip, write

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.environ.get("DEVRUN_CORPUS", os.path.join(HERE, "../../../shared/corpus/skypilot"))
FILES = 30
# Scripts that wait for something that no stub brings about.
WAITS = re.compile(r"\b(while|until|sleep|wait|tail -f|select|read)\b|<<|\$\(|`")

# What a program of the volume is not there for, it is said to have done. Each script leaves a record at its end.
BASHRC = r"""
command_not_found_handle() { echo "$1" >> ~/stub-calls; }
for name in pip pip3 conda apt apt-get sudo git wget curl docker python python3 torchrun uv huggingface-cli; do
  eval "$name() { echo $name >> ~/stub-calls; }"
done
record() {
  local at=~/record-$DEVRUN_JOB_ID-$DEVRUN_RANK-$1
  { echo "cwd=$PWD"; echo "workdir=$(readlink ~/sky_workdir)"; env; for m in $PROBE_MOUNTS; do [ -e "$m" ] && echo "mount=$m"; done; } > $at
}
trap 'status=$?; record $([ -n "$RECORDED" ] && echo again || echo end); exit $status' EXIT
"""


def with_values(document, text):
    """`${X}` of the file's own variables, as devrun has it."""
    values = {name: "given-value" if value is None else str(value)
              for kind in ("envs", "secrets") for name, value in dict(document.get(kind) or {}).items()}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found.group(1), found.group(0)), text)


def as_it_can_run(yaml, document):
    """The document without what this cluster does not have."""
    out = {key: value for key, value in document.items() if key not in ("resources", "service")}
    if out.get("num_nodes") and out["num_nodes"] > 2:
        out["num_nodes"] = 2
    return out


def chosen(yaml):
    """(path, document) of those that can be run, the same at every run."""
    for folder, folders, names in sorted(os.walk(CORPUS)):
        folders.sort()
        for name in sorted(names):
            if not name.endswith((".yaml", ".yml")):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                documents = [document for document in yaml.safe_load_all(file) if document]
            text = "".join(str(document.get(key) or "") for document in documents for key in ("setup", "run"))
            sources = json.dumps([document.get("file_mounts") or {} for document in documents])
            plain = len(documents) == 1 and not WAITS.search(text) and "://" not in sources
            if plain and not isinstance(documents[0].get("workdir"), dict) and not documents[0].get("volumes"):
                yield path, documents[0]


def make_sources(cluster, document):
    """What its workdir and mounts name, below /work in the volume; the targets."""
    targets = []
    if document.get("workdir"):
        at = document["workdir"].replace("~", "root", 1) if document["workdir"].startswith("~") \
            else "work/" + document["workdir"]
        os.makedirs(cluster.live(os.path.normpath(at)), exist_ok=True)
    for target, source in (document.get("file_mounts") or {}).items():
        targets.append(with_values(document, target))
        for one in [source] if isinstance(source, str) else \
                [source["source"]] if isinstance(source.get("source"), str) else source.get("source") or []:
            one = with_values(document, one)
            at = one.replace("~", "root", 1) if one.startswith("~") else "work/" + one
            os.makedirs(cluster.live(os.path.normpath(at)), exist_ok=True)
    return targets


def run_one(cluster, yaml, path, document):
    targets = make_sources(cluster, document)
    given = []
    for flag, kind in (("--env", "envs"), ("--secret", "secrets")):
        values = document.get(kind) or {}
        for name in values if isinstance(values, (dict, list)) else ():
            if not isinstance(values, dict) or values[name] is None:
                given += [flag, f"{name}=given-value"]
    write(cluster.live("work/corpus.yaml"), yaml.safe_dump(as_it_can_run(yaml, document), sort_keys=False))
    expanded = " ".join(target.replace("~", "/root", 1) if target.startswith("~") else target for target in targets)
    before = {job["job"] for job in cluster.jobs()}
    done = cluster.devrun("shell", cluster.volume, "--", "sh", "-c",
                          f"cd /work && PROBE_MOUNTS='{expanded}' devrun launch -q {' '.join(given)} corpus.yaml")
    jobs = [job for job in cluster.jobs() if job["job"] not in before and not job["dev_container"]
            and job["name"] != "upload" and "setup_of" not in job]
    assert len(jobs) == 1, (path, done)
    check(cluster, path, document, jobs[0]["job"], done, targets)


def check(cluster, path, document, job, done, targets):
    record_path = cluster.live(f"root/record-{job}-0-end")
    if not (document.get("run") or document.get("setup")):
        return
    shown = cluster.show(job)
    setup_job = (shown.get("setup") or {}).get("job")
    if setup_job and cluster.show(setup_job)["state"] == "FAILED":
        # It leaves nothing behind but its output, and the job has its status.
        assert done.status == shown["ending"]["status"] == cluster.show(setup_job)["ending"]["status"], (path, done)
        assert not os.path.exists(record_path), path
        return
    assert os.path.exists(record_path), (path, done)
    with open(record_path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    lines = text.splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    ended = cluster.show(job)["ending"]["status"]
    assert ended == done.status and ended not in (123, 125, 130), (path, done)
    for name, value in (document.get("envs") or {}).items():
        if isinstance(value, str) and "\n" not in value and f"{name}=" not in str(document.get("run")) \
                and f"{name}=" not in str(document.get("setup")):
            assert values.get(name) == value, (path, name, values.get(name))
    for name in document.get("secrets") or ():
        assert name in values, (path, name)
    if document.get("workdir"):
        assert values["workdir"].startswith(("/work", "/root")), (path, values["workdir"])
    assert values["SKYPILOT_NUM_NODES"] == str(min(document.get("num_nodes") or 1, 2)), path
    assert values["SKYPILOT_NODE_RANK"] == "0" and values["PYTHONUNBUFFERED"] == "1", path
    for target in targets:
        at = target.replace("~", "/root", 1) if target.startswith("~") else target
        if at.startswith("/"):
            assert f"mount={at}" in lines, (path, at, lines)


def test_thirty_real_files_run_as_they_are_written(cluster):
    try:
        import yaml
    except ImportError:
        raise Skip("NOT TESTED: there is no python3-yaml here") from None
    if not os.path.isdir(CORPUS):
        raise Skip(f"NOT TESTED: there is no corpus of task files at {CORPUS}")
    write(cluster.live("root/.bashrc"), BASHRC)
    ran = 0
    try:
        for path, document in chosen(yaml):
            run_one(cluster, yaml, path, document)
            ran += 1
            if ran == FILES:
                break
    finally:
        os.remove(cluster.live("root/.bashrc"))
        for name in os.listdir(cluster.live("root")):
            if name.startswith("record-") or name == "stub-calls":
                os.remove(cluster.live("root/" + name))
        shutil.rmtree(cluster.live("root/sky_workdir"), ignore_errors=True)
    print(f"{ran} files of the corpus ran", flush=True)
    assert ran >= FILES, f"only {ran} files could be run"


test_thirty_real_files_run_as_they_are_written.limit_s = 300


KINDS = {"string": str, "boolean": bool, "object": dict, "array": list, "null": type(None)}


def is_kind(value, kind):
    if kind in ("integer", "number"):
        return not isinstance(value, bool) and isinstance(value, int if kind == "integer" else (int, float))
    return isinstance(value, KINDS[kind])


def wrong(schema, value, path=""):
    """What of the value the schema does not allow: as much of JSON schema as ours uses."""
    if "anyOf" in schema:
        return [] if any(not wrong(one, value, path) for one in schema["anyOf"]) else [f"{path}: none of its kinds"]
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    out = [] if not kinds or any(is_kind(value, kind) for kind in kinds) else [f"{path}: {value!r} is no {kinds}"]
    if isinstance(value, dict):
        out += [f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, one in value.items():
            known = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
            if known is False:
                out.append(f"{path}: {name} is not known")
            elif known is not True:
                out += wrong(known, one, f"{path}.{name}")
    if isinstance(value, list):
        for one in value:
            out += wrong(schema.get("items", {}), one, path)
        if len(value) < schema.get("minItems", 0):
            out.append(f"{path}: too few")
    if is_kind(value, "number") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        out.append(f"{path}: {value} is out of range")
    return out


def test_the_schema_takes_what_the_parser_takes(cluster):
    try:
        import yaml
    except ImportError:
        raise Skip("NOT TESTED: there is no python3-yaml here") from None
    schema = json.loads(cluster.devrun("launch", "--schema").out)
    good = [{"run": "x", "devrun": {"sweep": {"lr": [1, 2], "seed": "1..3"}, "max_running": 2}},
            {"workdir": {"url": "u", "ref": "r"}, "resources": {"ports": [80, "90-91"], "any_of": [{"cpus": 2}]}}]
    bad = [{"runn": "x"}, {"num_nodes": 0}, {"resources": {"acelerators": "T4"}}, {"workdir": {"ref": "r"}},
           {"devrun": {"swep": {}}}, {"file_mounts": {"/a": 7}}, {"resources": {"any_of": []}}]
    for document, is_good in [*((one, True) for one in good), *((one, False) for one in bad)]:
        path = os.path.join(cluster.home, "schema.yaml")
        write(path, yaml.safe_dump(document))
        shown = cluster.devrun("launch", "--dry-run", "-q", path)
        assert (shown.status == 0) == is_good, (document, shown)
        assert (not wrong(schema, document)) == is_good, (document, wrong(schema, document))
    if not os.path.isdir(CORPUS):
        raise Skip(f"NOT TESTED: there is no corpus of task files at {CORPUS}")
    files = 0
    for folder, _, names in os.walk(CORPUS):
        for name in names:
            if name.endswith((".yaml", ".yml")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    documents = [document for document in yaml.safe_load_all(file) if document]
                files += 1
                for document in documents[1:] if len(documents) > 1 else documents:
                    assert not wrong(schema, document), (name, wrong(schema, document))
    print(f"{files} files of the corpus are as the schema says", flush=True)
