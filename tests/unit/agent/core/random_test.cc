// Random interleavings of a controller's wishes, a node's slow answers and agent restarts, many
// seeds. What must hold: an attempt's program is started at most once; of the attempts of one rank
// at most one lives; every stop ends; an end once told does not change; what is released leaves
// nothing.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

#include "agent/core/reconcile.h"
#include "tests/unit/agent/core/tell.h"

namespace devrun::agent {
namespace {

enum class Disk { kAbsent, kAlive, kEnded };

// What is true of an attempt whatever agent runs: folder, shim, record.
struct OnDisk {
  Disk disk = Disk::kAbsent;
  int starts = 0;
  Asked asked;
  std::set<uint32_t> delivered;
};

class World {
 public:
  explicit World(uint32_t seed) : random_(seed) {}

  void run() {
    for (int i = 0; i < 400 && !testing::Test::HasFailure(); ++i) act(pick(10));
    finish();
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }

  void act(int choice) {
    now_ = now_ + milliseconds(pick(300));
    if (choice == 0) return restart();
    if (choice == 1) return add();
    if (choice == 2) return stop_one();
    if (choice == 3) return release_one();
    if (choice == 4) return shim_event();
    if (choice == 5) return connect();
    if (choice == 6) return feed(Tick{});
    answer();
  }

  void feed(const Input& input) {
    const Effects effects = step(state_, input, now_);
    log_ += fmt::format("{} {}\n", input.index(), tell(effects));
    for (const Effect& effect : effects) std::visit([this](const auto& e) { perform(e); }, effect);
  }

  // ── the controller ──
  DesiredItem item(const AttemptKey& key) {
    DesiredItem out;
    out.attempt = wanted_.at(key);
    out.spec.emplace().key = key;
    if (pick(3) == 0) {
      out.deliver_signal = 10;
      out.deliver_sequence = 1 + static_cast<uint32_t>(pick(3));
    }
    return out;
  }
  void connect() {
    Desired whole{true, {}, {}};
    for (const auto& [key, attempt] : wanted_) whole.desired.push_back(item(key));
    connected_ = true;
    feed(whole);
  }
  void add() {
    AttemptKey key{.job = 1 + static_cast<uint64_t>(pick(4)), .attempt = 1};
    for (const auto& [known, attempt] : disks_) {
      if (known.job == key.job) key.attempt = std::max(key.attempt, known.attempt + 1);
    }
    if (wanted_.size() > 8) return;
    disks_[key];
    wanted_[key].key = key;
    if (connected_) feed(Desired{false, {item(key)}, {}});
  }
  void stop_one() {
    if (wanted_.empty()) return;
    auto it = std::next(wanted_.begin(), pick(static_cast<int>(wanted_.size())));
    it->second.goal = Goal::kStop;
    it->second.stop_grace = milliseconds(pick(500));
    it->second.leave_results = pick(3) == 0;
    if (connected_) feed(Desired{false, {item(it->first)}, {}});
  }
  void release_one() {
    if (wanted_.empty()) return;
    auto it = std::next(wanted_.begin(), pick(static_cast<int>(wanted_.size())));
    if (pick(4) != 0 && !told_.contains(it->first)) return;
    const AttemptKey key = it->first;
    wanted_.erase(it);
    if (connected_) feed(Desired{false, {}, {key}});
  }

  // ── the node ──
  void answer() {
    if (flight_.empty()) return;
    const auto at = flight_.begin() + pick(static_cast<int>(flight_.size()));
    const std::function<Input()> work = std::move(*at);
    flight_.erase(at);
    feed(work());
  }
  Ending killed() { return {EndCause::kExited, 137, "", ""}; }
  void shim_event() {
    for (auto& [key, disk] : disks_) {
      if (disk.disk != Disk::kAlive || !linked_.contains(key) || pick(3) != 0) continue;
      switch (pick(4)) {
        case 0:
          disk.disk = Disk::kEnded;
          return feed(ShimChanged{key, now_, now_, now_, Ending{}, 5, false});
        case 1:
          disk.disk = Disk::kEnded;  // it died
          linked_.erase(key);
          return feed(ShimGone{key});
        case 2:
          linked_.erase(key);  // only the link broke
          return feed(ShimGone{key});
        default:
          return feed(ShimChanged{key, now_, {}, {}, {}, 1, pick(2) == 0});
      }
    }
  }
  Found found(const AttemptKey& key) {
    const OnDisk& disk = disks_.at(key);
    Found out{.key = key, .shim_alive = disk.disk == Disk::kAlive, .asked = disk.asked};
    if (disk.disk == Disk::kEnded) out.ending = killed();
    return out;
  }
  void restart() {
    state_ = {};
    flight_.clear();
    linked_.clear();
    told_by_this_agent_.clear();
    connected_ = false;
    for (const auto& [key, disk] : disks_) {
      if (disk.disk != Disk::kAbsent) feed(found(key));
    }
  }

  void perform(const StartAttempt& e) {
    const AttemptKey key = e.spec.key;
    if (pick(3) == 0) {
      flight_.push_back([this, key]() -> Input {
        return StartWaits{key, pick(2) == 0 ? "" : "x"};
      });
    }
    flight_.push_back([this, key]() -> Input {
      OnDisk& disk = disks_.at(key);
      if (disk.disk != Disk::kAbsent) return StartFailed{key, {Code::kExists, "here", ""}};
      for (const auto& [other, d] : disks_) {
        EXPECT_FALSE(other.job == key.job && d.disk == Disk::kAlive) << "two live\n" << log_;
      }
      EXPECT_EQ(disk.starts, 0) << to_string(key) << " started twice\n" << log_;
      ++disk.starts;
      disk.disk = pick(5) == 0 ? Disk::kEnded : Disk::kAlive;
      if (disk.disk == Disk::kEnded) return StartFailed{key, {Code::kIo, "no", ""}};
      if (pick(5) == 0) return LinkFailed{key};
      linked_.insert(key);
      return Linked{key};
    });
  }
  void perform(const AbandonStart&) {}  // may come too late
  void perform(const LinkShim& e) {
    flight_.push_back([this, key = e.key]() -> Input {
      if (disks_.at(key).disk != Disk::kAlive || pick(5) == 0) return LinkFailed{key};
      linked_.insert(key);
      return Linked{key};
    });
  }
  void perform(const Inspect& e) {
    flight_.push_back([this, key = e.key]() -> Input {
      if (disks_.at(key).disk == Disk::kAbsent) return FoundNothing{key};
      return found(key);
    });
  }
  void perform(const OpenStreams&) {}
  void perform(const LeaveResults&) {}
  void perform(const EndOutput&) {}
  void perform(const Remember& e) { disks_.at(e.key).asked = e.asked; }
  void perform(const Go&) {}
  void perform(const FirstRankEnded&) {}
  void perform(const SignalProgram& e) {
    if (e.signal != 10) return;
    OnDisk& disk = disks_.at(e.key);
    EXPECT_TRUE(disk.delivered.insert(disk.asked.delivered_sequence).second) << log_;
  }
  void perform(const KillAll& e) {
    if (pick(3) == 0) return;  // a shim that does not listen
    if (disks_.at(e.key).disk == Disk::kAlive) {
      disks_.at(e.key).disk = Disk::kEnded;
      flight_.push_back([this, key = e.key]() -> Input {
        return ShimChanged{key, now_, {}, now_, killed(), 7, false};
      });
    }
  }
  void perform(const Measure& e) {
    flight_.push_back([key = e.key]() -> Input { return Measured{key, {}}; });
  }
  void perform(const Report& e) {
    const ObservedAttempt& o = e.observed;
    if (o.phase != Phase::kEnded) {
      EXPECT_FALSE(told_by_this_agent_.contains(o.key)) << "news after the end\n" << log_;
      return;
    }
    ASSERT_TRUE(o.ending.has_value());
    EXPECT_NE(disks_.at(o.key).disk, Disk::kAlive) << "ended, yet it lives\n" << log_;
    told_.insert(o.key);
    told_by_this_agent_.insert(o.key);
    if (wanted_.contains(o.key)) wanted_.at(o.key).goal = Goal::kStop;  // never run again
  }
  void perform(const Release& e) {
    flight_.push_back([this, key = e.key]() -> Input {
      if (pick(4) == 0) return Cleaned{key, false};
      disks_.at(key).disk = Disk::kAbsent;
      return Cleaned{key, true};
    });
  }

  // Everything is asked to stop: all must end, then all be gone.
  void settle() {
    for (int i = 0; i < 2000; ++i) {
      const std::optional<Time> due = next_tick(state_);
      if (!flight_.empty()) {
        answer();
      } else if (due) {
        now_ = std::max(now_, *due);
        feed(Tick{});
      } else {
        return;
      }
    }
    ADD_FAILURE() << "it never comes to rest\n" << log_;
  }
  void finish() {
    for (auto& [key, attempt] : wanted_) attempt.goal = Goal::kStop;
    connect();
    settle();
    for (const auto& [key, attempt] : state_.attempts) {
      EXPECT_EQ(attempt.observed.phase, Phase::kEnded) << to_string(key) << "\n" << log_;
    }
    EXPECT_EQ(state_.attempts.size(), wanted_.size());
    wanted_.clear();
    connect();
    settle();
    EXPECT_TRUE(state_.attempts.empty()) << log_;
    for (const auto& [key, disk] : disks_) EXPECT_EQ(disk.disk, Disk::kAbsent) << to_string(key);
  }

  std::mt19937 random_;
  Time now_{1'000'000'000};
  State state_;
  bool connected_ = false;
  std::map<AttemptKey, DesiredAttempt> wanted_;
  std::map<AttemptKey, OnDisk> disks_;
  std::set<AttemptKey> linked_, told_, told_by_this_agent_;
  std::deque<std::function<Input()>> flight_;
  std::string log_;
};

TEST(Random, InvariantsHoldOverManySeeds) {
  for (uint32_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World(seed).run();
  }
}

}  // namespace
}  // namespace devrun::agent
