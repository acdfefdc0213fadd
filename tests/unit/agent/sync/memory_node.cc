#include "tests/unit/agent/sync/memory_node.h"

#include <filesystem>
#include <fstream>

namespace devrun::agent {

// One agent's connection to one program's shim; its handlers are called from its own thread, as a real link does.
class MemoryNode::Link final : public shim::ShimLink {
 public:
  Link(MemoryNode& node, const AttemptKey& key, shim::Handlers handlers)
      : node_(node), key_(key), handlers_(std::move(handlers)) {
    thread_.start();
  }
  ~Link() override {
    {
      const std::lock_guard lock(node_.mutex_);
      const auto it = node_.links_.find(key_);
      if (it != node_.links_.end() && it->second == this) node_.links_.erase(it);
    }
    thread_.stop();
  }
  void tell(const shim::ShimState& state) {
    thread_.post([this, state] { handlers_.state(state); });
  }
  void output(uint64_t bytes) {
    thread_.post([this, bytes] { handlers_.output_grew(bytes); });
  }
  void gone() {
    thread_.post([this] { handlers_.gone(); });
  }

  Status write_stdin(uint64_t offset, std::string data, bool eof) override {
    const std::lock_guard lock(node_.mutex_);
    Program& program = node_.programs_[key_];
    if (offset > program.in.size()) return Error{Code::kInvalid, "a gap in stdin", {}};
    const size_t known = program.in.size() - offset;
    if (known < data.size()) program.in += data.substr(known);
    program.in_ended |= eof;
    thread_.post([this, taken = program.in.size()] { handlers_.stdin_taken(taken); });
    return ok();
  }
  Status resize(TerminalSize size) override {
    const std::lock_guard lock(node_.mutex_);
    node_.programs_[key_].sizes.push_back(size);
    return ok();
  }
  Status signal(int signal) override {
    const std::lock_guard lock(node_.mutex_);
    node_.programs_[key_].signals.push_back(signal);
    return ok();
  }
  Status kill_all() override {
    const std::lock_guard lock(node_.mutex_);
    node_.programs_[key_].killed = true;
    return ok();
  }
  Status first_rank_ended() override { return ok(); }
  Status go() override { return ok(); }
  Status renew_lease(Time until) override {
    const std::lock_guard lock(node_.mutex_);
    node_.programs_[key_].lease_until = until;
    return ok();
  }

 private:
  MemoryNode& node_;
  const AttemptKey key_;
  const shim::Handlers handlers_;
  Loop thread_;
};

shim::ShimState MemoryNode::state_of(const Program& program) const {
  shim::ShimState state;
  state.container_pid = program.started ? 1 : 0;
  state.started = Time{program.started ? 11 : 0};
  state.first_byte = Time{program.output_bytes > 0 ? 12 : 0};
  state.ended = Time{program.ending ? 13 : 0};
  state.ending = program.ending;
  state.stdin_offset = program.in.size();
  state.output_bytes = program.output_bytes;
  return state;
}

void MemoryNode::tell(const AttemptKey& key) {
  if (const auto it = links_.find(key); it != links_.end())
    it->second->tell(state_of(programs_[key]));
}

void MemoryNode::write_output(const AttemptKey& key, const std::string& bytes) {
  const std::lock_guard lock(mutex_);
  std::ofstream(folder(key) + "/output", std::ios::app | std::ios::binary) << bytes;
  Program& program = programs_[key];
  program.output_bytes += bytes.size();
  if (const auto it = links_.find(key); it != links_.end())
    it->second->output(program.output_bytes);
}

void MemoryNode::exit(const AttemptKey& key, const Ending& ending) {
  const std::lock_guard lock(mutex_);
  Program& program = programs_[key];
  program.alive = false;
  program.ending = ending;
  tell(key);
  if (const auto it = links_.find(key); it != links_.end()) it->second->gone();
}

void MemoryNode::shim_dies(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  programs_[key].alive = false;
  if (const auto it = links_.find(key); it != links_.end()) it->second->gone();
}

void MemoryNode::hold_starts(bool hold) {
  const std::lock_guard lock(mutex_);
  hold_starts_ = hold;
  changed_.notify_all();
}

MemoryNode::Program MemoryNode::program(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  const auto it = programs_.find(key);
  return it == programs_.end() ? Program{} : it->second;
}

Result<std::unique_ptr<shim::ShimLink>> MemoryNode::connect(const std::string& attempt_folder,
                                                            shim::Handlers handlers) {
  const AttemptKey key =
      TRY(parse_folder_name(std::filesystem::path(attempt_folder).filename().string()));
  const std::lock_guard lock(mutex_);
  if (!programs_[key].alive)
    return Error{Code::kUnavailable, "nobody serves the shim's socket", {}};
  auto link = std::make_unique<Link>(*this, key, std::move(handlers));
  links_[key] = link.get();
  link->tell(state_of(programs_[key]));
  return std::unique_ptr<shim::ShimLink>(std::move(link));
}

Status MemoryNode::start(const AttemptSpec& spec, const std::string& container_socket, Time,
                         const sandbox::StartWatch& watch) {
  std::unique_lock lock(mutex_);
  if (!std::filesystem::create_directories(folder(spec.key))) {
    return Error{Code::kExists, "the attempt has been here before", {}};
  }
  Program& program = programs_[spec.key];
  program.spec = spec;
  program.socket = container_socket;
  changed_.wait(lock, [this] { return !hold_starts_; });
  if (fail_starts) {
    program.ending = Ending{EndCause::kNotStarted, 125, fail_starts->message, fail_starts->hint};
    return *fail_starts;
  }
  Timeline timeline;
  timeline.mounted = Time{10};
  watch.progress(timeline);
  ++program.starts;
  program.alive = true;
  program.started = true;
  return ok();
}

Result<std::vector<sandbox::Found>> MemoryNode::find() {
  const std::lock_guard lock(mutex_);
  std::vector<sandbox::Found> all;
  for (const auto& [key, program] : programs_) {
    sandbox::Found found;
    found.spec = program.spec;
    found.shim_alive = program.alive;
    found.ending = program.ending;
    if (!found.ending && !found.shim_alive)
      found.ending = Ending{EndCause::kLost, 125, "its shim died", ""};
    found.output_bytes = static_cast<int64_t>(program.output_bytes);
    found.timeline.started = Time{program.started ? 11 : 0};
    found.released = program.released;
    all.push_back(found);
  }
  return all;
}

Status MemoryNode::kill(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  programs_[key].killed_without_shim = true;
  return ok();
}

Result<WrittenSummary> MemoryNode::written(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  WrittenSummary wrote;
  wrote.files = 2;
  wrote.folder = folder(key) + "/upper";
  return wrote;
}

Status MemoryNode::clear_mount_points(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  programs_[key].cleared = true;
  return ok();
}

Status MemoryNode::release(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  std::filesystem::remove_all(folder(key));
  programs_[key].alive = false;
  programs_[key].released = true;
  return ok();
}

}  // namespace devrun::agent
