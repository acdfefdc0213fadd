#include "controller/core/shortage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "common/base/units.h"
#include "common/model/fits.h"
#include "common/model/labels.h"
#include "common/model/resources.h"
#include "controller/core/state.h"

namespace devrun::controller {

namespace {

constexpr ShapeId kNoShape = UINT32_MAX;

std::string cores(int64_t milli) {
  if (milli % 1000 == 0) return fmt::format("{} core{}", milli / 1000, milli == 1000 ? "" : "s");
  return fmt::format("{:g} cores", static_cast<double>(milli) / 1000.0);
}

// Of a share, `n` is in thousandths.
std::string gpus(const Resources& of, int64_t n) {
  const std::string memory =
      of.gpu_memory_bytes == 0 ? "" : fmt::format(" with {}", format_size(of.gpu_memory_bytes));
  const std::string type = of.gpu_type.empty() ? "" : of.gpu_type + " ";
  if (of.gpu_milli != 0) {
    return fmt::format("{:g} {}GPU{}", static_cast<double>(n) / 1000, type, memory);
  }
  return fmt::format("{} {}GPU{}{}", n, type, n == 1 ? "" : "s", memory);
}

// A node that may run the shape's jobs, and what of its GPUs they may have.
struct Candidate {
  const Room* room;
  Match match;
};

// One kind of resource: how much is needed, how much a node has (free, or in all), and how to say it.
struct Dimension {
  int64_t need;
  std::function<int64_t(const Candidate&, bool free)> of;
  std::function<std::string(int64_t)> say;
};

// In thousandths of one GPU: all of one of `whole`, or what is left of one that is shared.
int64_t largest_share(const Candidate& c, const GpuMask& whole) {
  int64_t out = whole.any() ? 1000 : 0;
  for (const auto& [position, left] : c.room->gpu_shares) {
    if (c.match.gpus.test(position)) out = std::max<int64_t>(out, left);
  }
  return out;
}

std::vector<Dimension> dimensions(const Resources& need) {
  std::vector<Dimension> out{
      {need.cpu_milli,
       [](const Candidate& c, bool free) {
         return free ? c.room->free.cpu_milli : c.room->total.cpu_milli;
       },
       [](int64_t n) { return cores(n); }},
      {need.memory_bytes,
       [](const Candidate& c, bool free) {
         return free ? c.room->free.memory_bytes : c.room->total.memory_bytes;
       },
       [](int64_t n) { return format_size(n) + " of memory"; }},
      {need.gpu_milli != 0 ? need.gpu_milli : need.gpus,
       [share = need.gpu_milli != 0](const Candidate& c, bool free) {
         const GpuMask have = free ? c.match.gpus & c.room->gpus_free : c.match.gpus;
         return share ? largest_share(c, have) : static_cast<int64_t>(have.count());
       },
       [need](int64_t n) { return gpus(need, n); }},
  };
  for (const auto& [name, amount] : need.extras) {
    out.push_back({amount,
                   [name = name](const Candidate& c, bool free) {
                     return extra_of(free ? c.room->free : c.room->total, name);
                   },
                   [name = name](int64_t n) { return fmt::format("{} {}", n, name); }});
  }
  return out;
}

bool has_in_all(const Candidate& candidate, const std::vector<Dimension>& of) {
  return std::all_of(of.begin(), of.end(),
                     [&](const Dimension& d) { return d.of(candidate, false) >= d.need; });
}

// The resource of which no node has enough, with the best that there is; empty if some node has enough of each.
Shortage of_one(const std::vector<Candidate>& nodes, const Resources& need) {
  for (const bool free : {false, true}) {
    for (const Dimension& d : dimensions(need)) {
      if (d.need == 0) continue;
      const Candidate* best = nullptr;
      int64_t most = -1;
      for (const Candidate& candidate : nodes) {
        const int64_t amount = d.of(candidate, free);
        const bool as_good = amount == most && d.of(candidate, false) > d.of(*best, false);
        if (amount <= most && !as_good) continue;
        most = amount;
        best = &candidate;
      }
      if (best == nullptr || most >= d.need) continue;
      if (!free) {
        return {fmt::format("needs {} on one node; the largest has {} ({})", d.say(d.need),
                            d.say(most), best->room->name),
                true};
      }
      return {fmt::format("needs {} on one node; the largest free is {} on {}", d.say(d.need),
                          d.say(most), best->room->name)};
    }
  }
  return {};
}

std::string where(const Shape& shape) {
  std::string out = shape.pool.empty() ? "" : fmt::format("pool '{}'", shape.pool);
  for (const auto& [name, value] : shape.node_labels) {
    if (shape.dev_container && name == kLiveLabel) continue;  // said in other words
    out += fmt::format("{}label {}={}", out.empty() ? "" : " and ", name, value);
  }
  if (!shape.site.empty()) {
    out += fmt::format("{}site mount {}", out.empty() ? "" : " and ", shape.site);
  }
  return out;
}

// Why the nodes that would be right take nothing: the first one's reason, and how many there are.
std::string of_unusable(const State& state, const std::vector<const Room*>& unusable, Time now) {
  for (const Room* room : unusable) {
    if (!is_connected(state, room->name) || state.nodes.at(room->name).lost) continue;
    const std::string why = why_unusable(state, room->name, now, nullptr);
    const std::string others =
        unusable.size() == 1 ? "" : fmt::format(" ({} more cannot either)", unusable.size() - 1);
    return fmt::format("{} {}{}", room->name,
                       why.starts_with("takes") || why.empty() ? why : "is " + why, others);
  }
  return {};
}

Shortage without_nodes(const State& state, const Shape& shape, size_t unusable,
                       const std::string& why) {
  const bool asks_for_node = shape.node_labels.count(kLiveLabel) != 0;
  if (shape.dev_container && !asks_for_node) {
    return {"the storage host's agent, which runs dev containers, is not connected"};
  }
  const std::string place = where(shape);
  if (asks_for_node && unusable == 0) {
    return {
        fmt::format("no node{} shows live volumes, as those do whose agents have --live: it can "
                    "run on the storage host alone",
                    place.empty() ? "" : " of " + place),
        true};
  }
  if (unusable != 0 && !why.empty()) {
    return {place.empty() ? "no node takes jobs" : fmt::format("no node of {} takes jobs", place)};
  }
  if (unusable != 0 || place.empty()) {
    return {place.empty() ? "no node is connected"
                          : fmt::format("no node of {} is connected", place)};
  }
  if (!shape.node_labels.empty() || !shape.site.empty()) {
    return {fmt::format("there is no node of {}", place), true};
  }
  std::set<std::string> pools;
  for (const auto& [name, node] : state.nodes) {
    if (!node.lost) pools.insert(node.hello.pools.begin(), node.hello.pools.end());
  }
  return {fmt::format("no node is in pool '{}'; there is {}", shape.pool,
                      pools.empty() ? "no pool" : fmt::format("{}", fmt::join(pools, ", "))),
          true};
}

// GPUs that the shape's jobs could have if they were well: the first one's trouble, and how many there are; empty: none.
std::string of_bad_gpus(const State& state, const std::vector<Candidate>& right) {
  std::string first;
  size_t bad = 0;
  for (const Candidate& candidate : right) {
    const GpuMask mask = candidate.match.gpus & ~candidate.room->gpus_well;
    if (mask.none()) continue;
    const std::vector<Gpu> gpus = all_gpus(state.nodes.at(candidate.room->name).hello);
    for (size_t i = 0; i < std::min(gpus.size(), kGpusPerNodeMax); ++i) {
      if (!mask.test(i)) continue;
      if (++bad > 1) continue;
      first = fmt::format("GPU {} of {} is set aside: {}", gpus[i].index, candidate.room->name,
                          why_set_aside(state.policy, gpus[i]));
    }
  }
  return bad < 2 ? first : fmt::format("{} ({} more are, too)", first, bad - 1);
}

// Nodes that leave by themselves before the job's time limit would be over: the last one to, and how many there are.
std::string of_leaving(const std::vector<const Room*>& leaving, Duration time_limit, Time now) {
  if (leaving.empty()) return {};
  const Room& last = **std::ranges::max_element(
      leaving, [](const Room* a, const Room* b) { return a->leaves < b->leaves; });
  const std::string others =
      leaving.size() == 1 ? "" : fmt::format(" ({} more leave sooner)", leaving.size() - 1);
  const Duration left = std::max(last.leaves - now, Duration{});
  return fmt::format("{} leaves in {}, before a time limit of {} would be over{}", last.name,
                     format_duration(left), format_duration(time_limit), others);
}

// Why nodes that are there are none for the job, whose folder they have not got.
std::string of_site(const std::string& site, size_t lacking) {
  if (lacking == 0) return {};
  return fmt::format("its folder is on the site mount {}, which {} other node{} not", site, lacking,
                     lacking == 1 ? " has" : "s have");
}

// A gang that cannot start before a node is added, however long it waits; empty if that is not so.
std::string too_few_nodes(const Shape& shape, size_t known, size_t large) {
  if (large >= shape.nodes) return {};
  const std::string place = where(shape).empty() ? "the cluster" : where(shape);
  const std::string until = "it will not start until one is added";
  if (known < shape.nodes) {
    return fmt::format("needs {} nodes; {} has only {}: {} (devrun up --nodes {})", shape.nodes,
                       place, known, until, shape.nodes);
  }
  return fmt::format("needs {} nodes with {} each; {} has only {} as large as that: {}",
                     shape.nodes, say_need(shape.need), place, large, until);
}

// Nodes that are known, by what they are to a shape.
struct Found {
  std::vector<Candidate> right;
  std::vector<Candidate> held;        // of these, with room that is kept for another
  std::vector<const Room*> unusable;  // that would be right
  std::vector<const Room*> leaving;   // that would be right for a shorter job
  size_t lacking = 0;                 // that have not its site mount
  size_t large = 0;                   // that would do if nothing else ran there
  size_t with_room = 0;
};

Found look_at_nodes(const State& state, const Shape& shape, std::optional<ShapeId> own, Time now) {
  const Rooms& rooms = state.schedule.rooms();
  std::vector<Match> matches;
  for (uint32_t kind = 0; kind < rooms.kinds(); ++kind) {
    matches.push_back(match(shape, rooms.kind(kind)));
  }
  const std::vector<Dimension> needs = dimensions(shape.need);
  Found out;
  for (NodeId node = 0; node < rooms.size(); ++node) {
    const Room& room = rooms.at(node);
    const Match& of = matches[room.kind];
    const Node& known = state.nodes.at(room.name);
    if (known.lost) continue;
    if (!has_site(known.hello, shape.site) && !known.hello.dev_containers) ++out.lacking;
    if (!of.may_run) continue;
    if (has_in_all({&room, of}, needs)) ++out.large;
    if (!room.usable) {
      out.unusable.push_back(&room);
    } else if (leaves_too_soon(room.leaves, shape.time_limit, now)) {
      out.leaving.push_back(&room);
    } else {
      out.right.push_back({&room, of});
      if (Rooms::fits(room, own.value_or(kNoShape), shape, of, now)) {
        ++out.with_room;
      } else if (room.hold && Rooms::fits(room, room.hold->shape, shape, of, now)) {
        out.held.push_back({&room, of});
      }
    }
  }
  return out;
}

// What is free would do, but is kept for a job that is ahead.
std::string kept_for_another(const State& state, const std::vector<Candidate>& held) {
  const Room& room = *held.front().room;
  const auto it = state.schedule.reservations().find(room.hold->shape);
  if (it == state.schedule.reservations().end()) return "what is free is kept for a job ahead";
  const Reservation& kept = it->second;
  const JobSpec& spec = state.jobs.at(kept.key.job).spec;
  const std::string gang = spec.nodes == 1 ? "" : fmt::format("{} nodes with ", spec.nodes);
  return fmt::format("{} has room, which is kept for job {}, ahead of it, that needs {}{}",
                     room.name, kept.key.job, gang, say_need(spec.per_node));
}

}  // namespace

std::string say_need(const Resources& need) {
  std::string out;
  for (const Dimension& d : dimensions(need)) {
    if (d.need == 0) continue;
    out += (out.empty() ? "" : ", ") + d.say(d.need);
  }
  return out.empty() ? "nothing" : out;
}

Shortage shortage(const State& state, const Shape& shape, std::optional<ShapeId> own, Time now) {
  const Found found = look_at_nodes(state, shape, own, now);
  const std::string troubled = of_unusable(state, found.unusable, now);
  const auto with_troubles = [&](Shortage what) {
    for (const std::string& more :
         {of_leaving(found.leaving, shape.time_limit, now), troubled,
          shape.need.gpus == 0 ? std::string() : of_bad_gpus(state, found.right),
          of_site(shape.site, found.lacking)}) {
      if (!more.empty()) what.words += (what.words.empty() ? "" : "; ") + more;
    }
    return what;
  };
  if (found.right.empty() && !found.leaving.empty()) return with_troubles({});
  if (found.right.empty()) {
    return with_troubles(without_nodes(state, shape, found.unusable.size(), troubled));
  }
  if (found.with_room >= shape.nodes) return {};
  if (found.with_room + found.held.size() >= shape.nodes) {
    return {kept_for_another(state, found.held)};
  }
  if (shape.nodes > 1) {
    const size_t known = found.right.size() + found.leaving.size() + found.unusable.size();
    const std::string never = too_few_nodes(shape, known, found.large);
    if (!never.empty()) return {never, true};
    return with_troubles({fmt::format(
        "needs {} nodes with {} free on each; {} of {} {}", shape.nodes, say_need(shape.need),
        found.with_room, found.right.size(), found.with_room == 1 ? "has that" : "have that")});
  }
  Shortage what = of_one(found.right, shape.need);
  if (what.words.empty()) {
    what.words = fmt::format("needs {} together on one node; no connected node has all of it free",
                             say_need(shape.need));
  }
  what.never = found.large == 0;
  return with_troubles(std::move(what));
}

}  // namespace devrun::controller
