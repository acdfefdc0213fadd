#include "agent/gpu/numbers.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/gpu/health.h"
#include "agent/gpu/kept.h"
#include "common/base/parse_number.h"
#include "common/model/gpu_numbers.h"

namespace devrun::gpu {

namespace {

bool is_slice(const FoundGpu& found) {
  return !found.gpu.slice.empty();
}

}  // namespace

// With the XIDs that were seen before it was, which say more than that it is.
FoundGpu Numbers::lost(const std::string& uuid, Facts facts) {
  FoundGpu out = known_.at(uuid);
  const auto before = lost_.find(uuid);
  std::vector<Facts::Xid> xids;
  if (before != lost_.end()) {
    xids = before->second.xids;
  } else {
    std::copy_if(out.facts.xids.begin(), out.facts.xids.end(), std::back_inserter(xids),
                 [](const auto& xid) { return xid.seconds_ago < kXidCountsSeconds; });
  }
  for (const Facts::Xid& xid : facts.xids) {
    const bool noted = std::any_of(xids.begin(), xids.end(),
                                   [&](const auto& one) { return one.code == xid.code; });
    if (!noted) xids.push_back(xid);
  }
  for (Facts::Xid& xid : xids) xid.seconds_ago = 0;  // they count for as long as it is lost
  facts.xids = std::move(xids);
  lost_[uuid] = facts;
  out.facts = std::move(facts);
  out.gpu.index = of_.at(uuid);
  out.sample = {};
  out.sample.index = out.gpu.index;
  return out;
}

uint32_t Numbers::free_from(uint32_t first) const {
  const auto taken = [&](uint32_t number) {
    return std::any_of(of_.begin(), of_.end(), [&](const auto& e) { return e.second == number; });
  };
  uint32_t out = first;
  while (taken(out)) ++out;
  return out;
}

// Of one that has not answered since the driver was opened: whose number that is, and is not told otherwise.
std::string Numbers::silent_at(uint32_t index, const std::set<std::string>& told) const {
  for (const auto& [uuid, number] : of_) {
    if (number == index && told.count(uuid) == 0) return uuid;
  }
  return fmt::format("unknown-{}", index);
}

bool Numbers::is_sliced(const std::string& uuid) const {
  return std::any_of(known_.begin(), known_.end(), [&](const auto& entry) {
    return is_slice(entry.second) && entry.second.parent == uuid;
  });
}

uint32_t Numbers::number_for(const FoundGpu& found) {
  const auto known = of_.find(found.gpu.uuid);
  if (known != of_.end()) return known->second;
  const uint32_t wanted =
      is_slice(found) && !is_slice_number(found.gpu.index)
          ? kGpuSlicesFrom + found.gpu.slice_of * kGpuSlicesOfOne + found.gpu.index
          : found.gpu.index;
  return of_[found.gpu.uuid] = free_from(wanted);
}

// What has been taken apart, as a GPU says that answers, and the numbers of what nobody has told since the agent was
// started. The slices of a GPU that does not answer are not gone: they are in trouble, as it is.
void Numbers::forget_slices(const std::set<std::string>& told,
                            const std::set<std::string>& answering) {
  std::erase_if(known_, [&](const auto& entry) {
    return is_slice(entry.second) && told.count(entry.first) == 0 &&
           answering.count(entry.second.parent) != 0;
  });
  std::erase_if(of_, [&](const auto& entry) {
    return is_slice_number(entry.second) && told.count(entry.first) == 0 &&
           known_.count(entry.first) == 0;
  });
}

void Numbers::add_unheard(FoundRound& out, const std::set<std::string>& told,
                          const std::map<std::string, Facts>& silent, std::string_view unheard) {
  unheard_.clear();
  for (const auto& [uuid, known] : known_) {
    if (told.count(uuid) != 0) continue;
    const auto whole = silent.find(is_slice(known) ? known.parent : uuid);
    Facts facts = whole == silent.end() ? Facts{} : whole->second;
    if (facts.missing.empty()) facts.missing = unheard;
    if (whole == silent.end() || !facts.listed) unheard_.insert(uuid);
    number_for(known);  // after another boot it has none yet
    out.gpus.push_back(lost(uuid, std::move(facts)));
  }
}

FoundRound Numbers::number(FoundRound round, std::string_view unheard) {
  // Whole ones first: slices are numbered after theirs.
  std::stable_sort(round.gpus.begin(), round.gpus.end(),
                   [](const auto& a, const auto& b) { return is_slice(a) < is_slice(b); });
  std::set<std::string> told;
  std::set<std::string> answering;  // whole ones, also by their slices
  std::map<std::string, Facts>
      silent;  // whole ones that are not listed, or do not answer and were slices
  for (const FoundGpu& found : round.gpus) {
    const bool unlisted = !found.facts.listed;
    if (unlisted || (!found.facts.missing.empty() && is_sliced(found.gpu.uuid))) {
      silent[found.gpu.uuid] = found.facts;
    }
    if (unlisted) continue;
    told.insert(found.gpu.uuid);
    if (is_slice(found)) {
      told.insert(found.parent);
      answering.insert(found.parent);
    } else if (found.facts.missing.empty()) {
      answering.insert(found.gpu.uuid);
    }
  }
  forget_slices(told, answering);
  std::erase_if(round.gpus, [&](const auto& found) { return silent.count(found.gpu.uuid) != 0; });
  FoundRound out{round.driver, {}};
  for (FoundGpu& found : round.gpus) {
    if (found.gpu.uuid.empty()) {
      found.gpu.uuid = silent_at(found.gpu.index, told);
      told.insert(found.gpu.uuid);
    }
    if (is_slice(found)) {
      FoundGpu whole;
      whole.gpu.uuid = found.parent;
      whole.gpu.index = found.gpu.slice_of;
      found.gpu.slice_of = number_for(whole);
    }
    found.gpu.index = number_for(found);
    found.sample.index = found.gpu.index;
    if (!found.facts.missing.empty() && known_.count(found.gpu.uuid) != 0) {
      found = lost(found.gpu.uuid, std::move(found.facts));
    }
    out.gpus.push_back(found);
  }
  add_unheard(out, told, silent, unheard);
  for (const FoundGpu& found : out.gpus) {
    if (found.facts.missing.empty()) {
      known_[found.gpu.uuid] = found;
      lost_.erase(found.gpu.uuid);
    }
    // In MIG mode a GPU is not one that the driver ceased to tell.
    if (is_slice(found)) known_.erase(found.parent);
  }
  std::erase_if(lost_, [&](const auto& entry) { return known_.count(entry.first) == 0; });
  std::sort(out.gpus.begin(), out.gpus.end(),
            [](const auto& a, const auto& b) { return a.gpu.index < b.gpu.index; });
  return out;
}

void Numbers::forget_if(const std::function<bool(const FoundGpu&)>& is_not_ours) {
  for (auto it = known_.begin(); it != known_.end();) {
    if (!is_not_ours(it->second)) {
      ++it;
      continue;
    }
    of_.erase(it->first);
    lost_.erase(it->first);
    it = known_.erase(it);
  }
}

void Numbers::forget_lost() {
  forget_if([&](const FoundGpu& known) { return unheard_.count(known.gpu.uuid) != 0; });
}

std::string Numbers::text() const {
  std::string out = boot_id_ + "\n";
  for (const auto& [uuid, number] : of_) out += fmt::format("{} {}\n", number, uuid);
  for (const auto& [uuid, known] : known_) {
    FoundGpu one = known;
    if (const auto number = of_.find(uuid); number != of_.end()) one.gpu.index = number->second;
    const auto lost = lost_.find(uuid);
    one.facts = lost == lost_.end() ? Facts{} : lost->second;
    out += kept_line(one) + "\n";
  }
  return out;
}

void Numbers::read(std::string_view text) {
  bool same_boot = false;
  for (bool first = true; !text.empty(); first = false) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (first) {
      same_boot = line == boot_id_;
      continue;
    }
    if (line.starts_with('{')) {
      std::optional<FoundGpu> known = gpu_of_line(line);
      if (!known) continue;
      if (!known->facts.missing.empty()) lost_[known->gpu.uuid] = known->facts;
      known->facts = {};
      known_[known->gpu.uuid] = *known;
      continue;
    }
    const size_t space = line.find(' ');
    const auto number = parse_number<uint32_t>(line.substr(0, space));
    if (space == std::string_view::npos || !number || !same_boot) continue;
    of_[std::string(line.substr(space + 1))] = *number;
  }
}

}  // namespace devrun::gpu
