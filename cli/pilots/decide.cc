#include "cli/pilots/decide.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/pilots/demand.h"
#include "common/base/units.h"
#include "common/model/resources.h"

namespace devrun::pilots {

namespace {

constexpr Duration kAdmitAgainAfter = seconds(30);
// What waits for an idle node begins there at once; what does not for so long will not.
constexpr Duration kNeededInVain = seconds(60);
constexpr const char* kInVain = "what waits does not begin here";
constexpr Duration kFailedPause = seconds(10);
constexpr Duration kFailedPauseMax = seconds(600);
constexpr Duration kUselessPause = seconds(60);
constexpr Duration kUselessPauseMax = seconds(3600);
constexpr size_t kDigitsMax = 6;

bool lives(const Pilot& pilot) {
  return pilot.state == PilotState::kPending || pilot.state == PilotState::kRunning ||
         pilot.state == PilotState::kEnding;
}

// PREFIX-7
bool is_ours(const Policy& policy, const std::string& name) {
  if (!name.starts_with(policy.prefix + "-")) return false;
  const std::string number = name.substr(policy.prefix.size() + 1);
  return !number.empty() && number.size() <= kDigitsMax && number.front() != '0' &&
         number.find_first_not_of("0123456789") == std::string::npos;
}

class Round {
 public:
  Round(const Policy& policy, const Seen& seen, Memory& memory)
      : policy_(policy), seen_(seen), memory_(memory) {
    for (const SeenNode& node : seen.nodes) nodes_[node.hello.name] = &node;
    for (const Pilot& pilot : seen.pilots) {
      if (!is_ours(policy, pilot.name)) continue;
      const Pilot*& known = pilots_[pilot.name];
      // The one that lives, else the newest.
      const bool better = known == nullptr || (lives(pilot) && !lives(*known)) ||
                          (lives(pilot) == lives(*known) && pilot.job > known->job);
      if (better) known = &pilot;
    }
  }

  std::vector<Action> decide() {
    forget();
    fill_bins();
    for (const auto& [name, node] : nodes_) {
      if (is_ours(policy_, name)) look_at_node(*node);
    }
    for (const auto& [name, pilot] : pilots_) {
      if (pilot->state == PilotState::kPending) look_at_pending(*pilot);
      if (pilot->state == PilotState::kRunning) look_at_running(*pilot);
    }
    ask();
    void_certificates();
    return std::move(out_);
  }

 private:
  const SeenNode* node_of(const Pilot& pilot) const {
    const auto it = nodes_.find(pilot.name);
    return it == nodes_.end() ? nullptr : it->second;
  }
  const Pilot* pilot_of(const std::string& name) const {
    const auto it = pilots_.find(name);
    return it == pilots_.end() ? nullptr : it->second;
  }

  // What is remembered of pilots that are over.
  void forget() {
    std::set<uint64_t> live;
    for (const Pilot& pilot : seen_.pilots) {
      if (lives(pilot)) {
        live.insert(pilot.job);
        continue;
      }
      const bool was_let_in = memory_.admitted.count(pilot.job) != 0;
      const bool came_up = memory_.came_up.count(pilot.job) != 0 || node_of(pilot) != nullptr;
      if (!was_let_in || came_up) continue;
      out_.push_back(Blame{pilot.job, pilot.name});
      put_off(memory_.failed[pilot.kind], seen_.now, kFailedPause, kFailedPauseMax);
    }
    std::erase_if(memory_.came_up, [&](uint64_t job) { return live.count(job) == 0; });
    const auto gone = [&](const auto& entry) { return live.count(entry.first) == 0; };
    std::erase_if(memory_.idle_since, gone);
    std::erase_if(memory_.unneeded_since, gone);
    std::erase_if(memory_.needed_since, gone);
    std::erase_if(memory_.admitted, gone);
  }

  // Room on nodes that are up, and on pilots that come.
  void fill_bins() {
    for (const auto& [name, node] : nodes_) {
      const bool by_us = node->drained.starts_with(kDrainedByUs);
      if (!node->connected || node->troubled || node->hello.dev_containers) continue;
      if (!node->drained.empty() && !(by_us && !ends_soon(name))) continue;
      bins_.push_back(bin_of(node->hello, node->used, name));
    }
    for (const auto& [name, pilot] : pilots_) {
      const bool comes = pilot->state == PilotState::kPending ||
                         (pilot->state == PilotState::kRunning && node_of(*pilot) == nullptr);
      const auto kind = std::find_if(policy_.kinds.begin(), policy_.kinds.end(),
                                     [&, p = pilot](const Kind& k) { return k.name == p->kind; });
      if (!comes || kind == policy_.kinds.end()) continue;
      bins_.push_back(coming(*kind, seen_.now + pilot->left.value_or(kind->time), name));
    }
    const uint32_t live = count_live();
    fill(policy_, seen_.waiting,
         {seen_.now, policy_.max - std::min(live, policy_.max), site_paths_of_pilots()}, bins_);
  }

  // They all get the same from the controller as they join.
  std::optional<std::vector<std::string>> site_paths_of_pilots() const {
    for (const auto& [name, node] : nodes_) {
      if (is_ours(policy_, name) && node->connected) return node->hello.site_paths;
    }
    return std::nullopt;
  }

  uint32_t count_live() const {
    return static_cast<uint32_t>(
        std::ranges::count_if(pilots_, [](const auto& entry) { return lives(*entry.second); }));
  }

  bool is_needed(const std::string& name) const {
    return std::any_of(bins_.begin(), bins_.end(),
                       [&](const Bin& bin) { return bin.of == name && bin.needed; });
  }

  bool ends_soon(const std::string& name) const {
    const Pilot* pilot = pilot_of(name);
    return pilot != nullptr && pilot->state == PilotState::kRunning && pilot->left &&
           *pilot->left <= policy_.lead;
  }

  // Of one whose pilot is not there any more.
  void look_at_node(const SeenNode& node) {
    const std::string& name = node.hello.name;
    const Pilot* pilot = pilot_of(name);
    if (pilot != nullptr && lives(*pilot)) return;
    // A node of the site's own that has such a name: pilots say when they leave.
    if (pilot == nullptr && node.hello.leaves.us == 0) return;
    const bool is_over = pilot != nullptr && pilot->state == PilotState::kOver;
    const bool silent = !node.connected && seen_.now - node.last_heard >= policy_.lost_after;
    if (is_over || silent) {
      out_.push_back(Retire{name});
    } else if (node.connected && node.drained.empty()) {
      out_.push_back(
          Drain{name, fmt::format("{}Slurm does not know its allocation", kDrainedByUs)});
    }
  }

  void look_at_pending(const Pilot& pilot) {
    if (is_needed(pilot.name)) {
      memory_.unneeded_since.erase(pilot.job);
      return;
    }
    const Time since = memory_.unneeded_since.try_emplace(pilot.job, seen_.now).first->second;
    if (seen_.now - since < policy_.idle_for) return;
    out_.push_back(Cancel{pilot.job, pilot.name, "nobody waits for it any more"});
  }

  void look_at_running(const Pilot& pilot) {
    const SeenNode* node = node_of(pilot);
    if (node == nullptr) return admit(pilot);
    memory_.came_up.insert(pilot.job);
    memory_.failed.erase(pilot.kind);
    if (node->attempts > 0) memory_.useless.erase(pilot.kind);
    if (!node->connected) {
      if (seen_.now - node->last_heard >= policy_.lost_after) {
        out_.push_back(Cancel{pilot.job, pilot.name, "its node has been silent for long"});
      }
      return;
    }
    look_at_joined(pilot, *node);
  }

  void admit(const Pilot& pilot) {
    const auto [it, is_first] =
        memory_.admitted.try_emplace(pilot.job, Memory::Admitted{seen_.now, seen_.now});
    Memory::Admitted& before = it->second;
    if (seen_.now - before.first >= policy_.join_within) {
      out_.push_back(Cancel{pilot.job, pilot.name, "its node has not come up"});
    } else if (is_first || seen_.now - before.last >= kAdmitAgainAfter) {
      before.last = seen_.now;
      out_.push_back(Admit{pilot.job, pilot.name});
    }
  }

  // Why its pilot should go; empty: it should not.
  std::string why_to_go(const Pilot& pilot, const SeenNode& node) {
    if (ends_soon(pilot.name)) return "its allocation ends soon";
    if (node.attempts > 0) {
      memory_.idle_since.erase(pilot.job);
      memory_.needed_since.erase(pilot.job);
      return {};
    }
    const Time idle = memory_.idle_since.try_emplace(pilot.job, seen_.now).first->second;
    if (is_needed(pilot.name)) {
      const Time needed = memory_.needed_since.try_emplace(pilot.job, seen_.now).first->second;
      if (seen_.now - needed < std::max(policy_.idle_for, kNeededInVain)) return {};
      return kInVain;
    }
    memory_.needed_since.erase(pilot.job);
    if (seen_.now - idle < policy_.idle_for) return {};
    return fmt::format("idle for {}", format_duration(policy_.idle_for));
  }

  // First nothing new is placed there; only when nothing has been placed meanwhile is it ended.
  void look_at_joined(const Pilot& pilot, const SeenNode& node) {
    const std::string why = why_to_go(pilot, node);
    const bool by_us = node.drained.starts_with(kDrainedByUs);
    if (why.empty()) {
      if (by_us) out_.push_back(Undrain{pilot.name});
    } else if (node.drained.empty()) {
      out_.push_back(Drain{pilot.name, std::string(kDrainedByUs) + why});
      if (why == kInVain)
        put_off(memory_.useless[pilot.kind], seen_.now, kUselessPause, kUselessPauseMax);
    } else if (node.attempts == 0) {
      out_.push_back(Cancel{pilot.job, pilot.name, why});
    }
  }

  void ask() {
    uint32_t live = count_live(), pending = 0;
    std::set<std::string> taken;
    for (const auto& [name, pilot] : pilots_) {
      pending += pilot->state == PilotState::kPending ? 1 : 0;
      // One that has vanished may come to light with its old node.
      if (lives(*pilot)) taken.insert(name);
    }
    for (const auto& [name, node] : nodes_) taken.insert(name);
    for (const Bin& bin : bins_) {
      if (!bin.of.empty() || live >= policy_.max || pending >= policy_.pending_max) continue;
      if (is_put_off(memory_.refused, bin.kind) || is_put_off(memory_.failed, bin.kind) ||
          is_put_off(memory_.useless, bin.kind))
        continue;
      uint32_t number = 1;
      while (!taken.insert(fmt::format("{}-{}", policy_.prefix, number)).second) ++number;
      out_.push_back(Ask{fmt::format("{}-{}", policy_.prefix, number), bin.kind});
      ++live;
      ++pending;
    }
  }

  // One that joined and whose node was never listed is retired by nobody. Names are few, and used from the lowest number on:
  // of those that are nobody's what may be out is made void, each time that one becomes nobody's, and once by each devrun-slurm.
  void void_certificates() {
    for (uint32_t number = 1; number <= policy_.max; ++number) {
      const std::string name = fmt::format("{}-{}", policy_.prefix, number);
      const Pilot* pilot = pilot_of(name);
      const bool may_come = pilot != nullptr && pilot->state != PilotState::kOver;
      const bool is_asked_for = std::ranges::any_of(out_, [&](const Action& action) {
        const Ask* ask = std::get_if<Ask>(&action);
        return ask != nullptr && ask->name == name;  // which voids, too
      });
      if (may_come || nodes_.contains(name) || is_asked_for) {
        memory_.voided.erase(name);
      } else if (!memory_.voided.contains(name)) {
        out_.push_back(Void{name});
      }
    }
  }

  bool is_put_off(const std::map<std::string, Pause>& pauses, const std::string& kind) const {
    const auto pause = pauses.find(kind);
    return pause != pauses.end() && seen_.now < pause->second.until;
  }

  const Policy& policy_;
  const Seen& seen_;
  Memory& memory_;
  std::map<std::string, const SeenNode*> nodes_;
  std::map<std::string, const Pilot*> pilots_;  // the one that counts, by name
  std::vector<Bin> bins_;
  std::vector<Action> out_;
};

struct Words {
  std::string operator()(const Ask& a) const {
    return fmt::format("asks Slurm for {}, of kind {}", a.name, a.kind);
  }
  std::string operator()(const Admit& a) const {
    return fmt::format("lets {} in, which runs as Slurm's job {}", a.name, a.job);
  }
  std::string operator()(const Drain& a) const {
    return fmt::format("drains {}: {}", a.name, a.reason.substr(kDrainedByUs.size()));
  }
  std::string operator()(const Undrain& a) const { return fmt::format("undrains {}", a.name); }
  std::string operator()(const Cancel& a) const {
    return fmt::format("ends {}, Slurm's job {}: {}", a.name, a.job, a.reason);
  }
  std::string operator()(const Blame& a) const {
    return fmt::format(
        "{}, Slurm's job {}, has ended before its node came up: its log on Slurm's node says why",
        a.name, a.job);
  }
  std::string operator()(const Void& a) const {
    return fmt::format("voids the certificates of {}, which is nobody now", a.name);
  }
  std::string operator()(const Retire& a) const {
    return fmt::format("retires {}: its allocation is over", a.name);
  }
};

}  // namespace

void put_off(Pause& pause, Time now, Duration first, Duration longest) {
  pause.length = pause.length.us == 0 ? first : std::min(longest, pause.length + pause.length);
  pause.until = now + pause.length;
}

std::string to_string(const Action& action) {
  return std::visit(Words{}, action);
}

std::vector<Action> decide(const Policy& policy, const Seen& seen, Memory& memory) {
  return Round(policy, seen, memory).decide();
}

}  // namespace devrun::pilots
