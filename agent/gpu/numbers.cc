#include "agent/gpu/numbers.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/parse_number.h"
#include "common/model/gpu_numbers.h"

namespace devrun::gpu {

namespace {

bool is_slice(const FoundGpu& found) {
  return !found.gpu.slice.empty();
}

FoundGpu lost(const FoundGpu& known, Facts facts) {
  FoundGpu out = known;
  out.facts = std::move(facts);
  out.sample = {};
  out.sample.index = known.gpu.index;
  return out;
}

}  // namespace

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
      is_slice(found) ? kGpuSlicesFrom + found.gpu.slice_of * kGpuSlicesOfOne + found.gpu.index
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

FoundRound Numbers::number(FoundRound round) {
  // Whole ones first: slices are numbered after theirs.
  std::stable_sort(round.gpus.begin(), round.gpus.end(),
                   [](const auto& a, const auto& b) { return is_slice(a) < is_slice(b); });
  std::set<std::string> told;
  std::set<std::string> answering;          // whole ones, also by their slices
  std::map<std::string, Facts> in_trouble;  // those that do not answer, and were slices
  for (const FoundGpu& found : round.gpus) {
    told.insert(found.gpu.uuid);
    if (is_slice(found)) told.insert(found.parent);
    if (found.facts.missing.empty()) {
      answering.insert(is_slice(found) ? found.parent : found.gpu.uuid);
    } else if (is_sliced(found.gpu.uuid)) {
      in_trouble[found.gpu.uuid] = found.facts;
    }
  }
  forget_slices(told, answering);
  std::erase_if(round.gpus,
                [&](const auto& found) { return in_trouble.count(found.gpu.uuid) != 0; });
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
    const auto known = known_.find(found.gpu.uuid);
    if (!found.facts.missing.empty() && known != known_.end()) {
      found = lost(known->second, std::move(found.facts));
    }
    out.gpus.push_back(found);
  }
  for (const auto& [uuid, known] : known_) {
    if (told.count(uuid) != 0) continue;
    const auto parent = in_trouble.find(known.parent);
    Facts facts;
    if (parent != in_trouble.end()) facts = parent->second;
    if (facts.missing.empty()) facts.missing = "the driver does not list it any more";
    out.gpus.push_back(lost(known, std::move(facts)));
  }
  for (const FoundGpu& found : out.gpus) {
    if (found.facts.missing.empty()) known_[found.gpu.uuid] = found;
    // In MIG mode a GPU is not one that the driver ceased to tell.
    if (is_slice(found)) known_.erase(found.parent);
  }
  std::sort(out.gpus.begin(), out.gpus.end(),
            [](const auto& a, const auto& b) { return a.gpu.index < b.gpu.index; });
  return out;
}

std::string Numbers::text() const {
  std::string out = boot_id_ + "\n";
  for (const auto& [uuid, number] : of_) out += fmt::format("{} {}\n", number, uuid);
  return out;
}

void Numbers::read(std::string_view text) {
  std::map<std::string, uint32_t> found;
  for (bool first = true; !text.empty(); first = false) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (first) {
      if (line != boot_id_) return;
      continue;
    }
    const size_t space = line.find(' ');
    const auto number = parse_number<uint32_t>(line.substr(0, space));
    if (space == std::string_view::npos || !number) return;
    found[std::string(line.substr(space + 1))] = *number;
  }
  of_ = std::move(found);
}

}  // namespace devrun::gpu
