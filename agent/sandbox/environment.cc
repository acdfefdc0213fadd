#include "agent/sandbox/environment.h"

#include <string_view>

#include "agent/gpu/driver_files.h"
#include "agent/sandbox/rank_ssh.h"
#include "agent/sandbox/sandboxes.h"
#include "common/model/rank_environment.h"
#include "common/model/setup_environment.h"

namespace devrun::sandbox {

namespace {

constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Variables {
  std::vector<std::string> all;

  std::string* find(std::string_view name) {
    for (std::string& variable : all) {
      if (variable.size() > name.size() && variable[name.size()] == '=' &&
          std::string_view(variable).starts_with(name)) {
        return &variable;
      }
    }
    return nullptr;
  }
  void set(std::string_view name, std::string_view value) {
    std::string text = std::string(name) + "=" + std::string(value);
    if (std::string* known = find(name)) {
      *known = std::move(text);
    } else {
      all.push_back(std::move(text));
    }
  }
  void set_if_missing(std::string_view name, std::string_view value) {
    if (find(name) == nullptr && !value.empty()) set(name, value);
  }
};

// Task files may ask for their rank whatever their size; other programs take such variables as a sign that they were
// started by a launcher of several processes.
bool works_with_others(const AttemptSpec& spec, Variables& variables) {
  return spec.ranks > 1 || spec.key.task != kNoTask ||
         variables.find("DEVRUN_TASK_ENV") != nullptr || !spec.program.setup.empty();
}

void add_rank_facts(const AttemptSpec& spec, Variables& out) {
  RankFacts facts;
  facts.job = spec.key.job;
  facts.task = spec.key.task;
  facts.rank = spec.key.rank;
  facts.addresses = spec.rank_addresses;
  if (facts.addresses.empty()) facts.addresses.push_back("127.0.0.1");
  facts.gpus_per_node = spec.resources.gpus;
  facts.master_port = master_port(spec.key.job, spec.key.task, spec.key.attempt);
  facts.user = spec.user;
  facts.group_name = spec.group_name;
  facts.task_id = spec.task_id;
  facts.task_ids = spec.task_ids;
  facts.array_index = spec.array_index;
  facts.array_tasks = spec.array_tasks;
  facts.has_setup = !spec.program.setup.empty() || spec.setup_for_ranks > 0;
  for (const auto& [name, value] : rank_environment(facts)) out.set(name, value);
}

// Not as mpirun's default: one that is to start processes of its own rank alone would go elsewhere. Root in a job's
// container is nobody to be warned of.
void add_host_file(Variables& out) {
  out.set("DEVRUN_HOSTFILE", kHostFile);
  for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"}) {
    out.set_if_missing(name, "1");
  }
}

// A job of a job brings ROCR_VISIBLE_DEVICES along, and devrun's own is the one that is true; CUDA_VISIBLE_DEVICES comes with
// a job only if its user has set it. NVIDIA's libraries go first: they must be those of the node's kernel, whatever the
// volume has; AMD's are the volume's own.
void add_gpus(const AttemptSpec& spec, Variables& out) {
  // An attempt that an older agent started.
  bool nvidia = spec.gpu_variables.empty() && !spec.gpus.empty();
  for (const std::string_view variable : spec.gpu_variables) {
    const std::string_view name = variable.substr(0, variable.find('='));
    const std::string_view value = variable.substr(std::min(name.size() + 1, variable.size()));
    if (name == "CUDA_VISIBLE_DEVICES") {
      nvidia = true;
      out.set_if_missing(name, value);
    } else {
      out.set(name, value);
    }
  }
  if (!nvidia) return;
  const std::string folder(gpu::kLibraryFolder);
  const std::string* libraries = out.find("LD_LIBRARY_PATH");
  const std::string rest = libraries == nullptr ? "" : libraries->substr(libraries->find('=') + 1);
  out.set("LD_LIBRARY_PATH", rest.empty() ? folder : folder + ":" + rest);
  if (std::string* path = out.find("PATH")) *path += ":" + std::string(gpu::kProgramFolder);
}

}  // namespace

std::vector<std::string> container_environment(const AttemptSpec& spec, const std::string& node,
                                               bool has_shared) {
  Variables out;
  std::string_view rest = spec.env;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    if (end > 0) out.all.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const std::string& variable : spec.point) {
    const size_t equals = variable.find('=');
    if (equals != std::string::npos)
      out.set(variable.substr(0, equals), variable.substr(equals + 1));
  }
  out.set_if_missing("PATH", kPath);
  // Where the root has no /usr/local/bin, devrun is found here all the same. A job of a job brings it along.
  if (std::string* path = out.find("PATH"); (*path + ":").find(":/run/devrun/bin:") == path->npos) {
    path->append(":/run/devrun/bin");
  }
  add_gpus(spec, out);
  out.set_if_missing("HOME", spec.program.caller.home.empty() ? "/" : spec.program.caller.home);
  out.set_if_missing("USER", spec.program.caller.user);
  out.set_if_missing("LOGNAME", spec.program.caller.user);
  if (spec.program.tty) out.set_if_missing("TERM", "xterm-256color");
  out.set("DEVRUN_NODE", node);
  out.set("DEVRUN_VOLUME", spec.root.volume);
  if (spec.dev_container) return std::move(out.all);
  out.set("DEVRUN_JOB_ID", std::to_string(spec.key.job));
  out.set("DEVRUN_ATTEMPT", std::to_string(spec.key.attempt));
  out.set("DEVRUN_RANK", std::to_string(spec.key.rank));
  out.set("DEVRUN_RANKS", std::to_string(spec.ranks));
  if (has_shared) out.set("DEVRUN_SHARED", kSharedInContainer);
  if (spec.key.task != kNoTask) out.set("DEVRUN_TASK", std::to_string(spec.key.task));
  if (works_with_others(spec, out)) add_rank_facts(spec, out);
  if (spec.ranks > 1) add_host_file(out);
  if (spec.setup_for_ranks > 0) {
    std::erase_if(out.all, [&](std::string_view one) {
      return !setup_sees(one.substr(0, one.find('=')), spec.setup_for_ranks);
    });
  }
  return std::move(out.all);
}

}  // namespace devrun::sandbox
