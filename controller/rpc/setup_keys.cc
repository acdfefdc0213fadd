#include "controller/rpc/setup_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/model/setup_environment.h"

namespace devrun::controller {

namespace {

// Words that cannot run into one another.
class Words {
 public:
  Words& add(std::string_view word) {
    text_ += fmt::format("{}:", word.size());
    text_ += word;
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Words common_words(const JobSpec& spec) {
  const Caller& caller = spec.program.caller;
  std::string groups;
  for (const uint32_t group : caller.groups) groups += fmt::format("{} ", group);
  Words out;
  out.add(spec.root.volume).add(spec.user).add(caller.user).add(caller.home);
  out.add(fmt::format("{} {} {} {}", caller.uid, caller.gid, caller.umask, groups));
  return out.add(spec.program.cwd);
}

}  // namespace

std::set<std::string> gpu_types(const State& state) {
  std::set<std::string> out;
  for (const auto& [name, node] : state.nodes) {
    for (const Gpu& gpu : node.hello.gpus) out.insert(gpu.type);
  }
  return out;
}

SetupOnce setup_keys(const JobSpec& spec, std::string_view environment,
                     const std::set<std::string>& gpus, const Sealer& sealer) {
  const Program& program = spec.program;
  if (program.setup.empty() || spec.dev_container) return {};
  // The programs of a group wait for each other's setup; each task of a sweep has an environment of its own.
  if (spec.group.size > 0 || !spec.sweep.empty() || fills_places(environment)) return {};
  std::string text = text_of_setup(environment);
  if (text.empty()) {
    for (const std::string& word : program.setup) text += word + "\n";
  }
  const bool is_live = std::ranges::any_of(
      spec.paths, [](const PathRule& rule) { return rule.kind == PathKind::kLive; });
  const bool any_gpu = spec.per_node.gpus > 0 && spec.per_node.gpu_type.empty() && gpus.size() > 1;
  if (is_live || any_gpu || !names_its_place(text, spec.nodes).empty()) return {};
  SetupOnce out;
  out.fresh = spec.setup_once.fresh;
  out.family = sealer.keyed_hash(common_words(spec).add("family").add(spec.name).text());
  Words words = common_words(spec).add("key");
  for (const std::string& word : program.setup) words.add(word);
  words.add(environment_of_setup(environment, spec.nodes));
  // What is bound is read as the folder that it is of, and the plan alone says what is where.
  for (const PathRule& rule : spec.paths) {
    if (rule.kind == PathKind::kBound) words.add(rule.path).add(rule.source);
  }
  words.add(spec.nodes > 1 ? "several ranks" : "one rank");
  words.add(fmt::format("{}", spec.per_node.gpus));
  words.add(spec.per_node.gpus == 0                           ? std::string()
            : spec.per_node.gpu_type.empty() && !gpus.empty() ? *gpus.begin()
                                                              : spec.per_node.gpu_type);
  out.key = sealer.keyed_hash(words.text());
  return out;
}

}  // namespace devrun::controller
