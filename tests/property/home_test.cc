// What jobs write and developers edit, interleaved at random, with crashes: nothing that anyone wrote
// is lost, and what only one side touched is as that side left it.
//
// One developer edits the live tree of a volume; one to four jobs begin with snapshots of it, write
// into uppers (values, upper_model.h) and bring them home in partial and final rounds. Edits also
// come in the middle of bringing home, between its named steps, and processes are killed there. Every
// text that is written is written once, so that a text tells whose it is.
//
//   DEVRUN_HOME_SEEDS   how many seeds (200)
//   DEVRUN_HOME_SEED    the first (1)
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <set>

#include "common/runtime/file.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/upper_model.h"

namespace devrun::storage {
namespace {

namespace fs = std::filesystem;

// Some are below others' names, so that files get in the way of folders.
const std::vector<std::string> kPaths = {"root/a",     "root/b",     "root/c", "root/d/x",
                                         "root/d/y",   "root/d/e/z", "root/t", "root/t/x",
                                         "root/f/g/h", "root/.git",  "etc/k",  "root/d/e"};

constexpr size_t kJobsMax = 4;

bool related(const std::string& one, const std::string& other) {
  return one == other || one.starts_with(other + "/") || other.starts_with(one + "/");
}
bool is_home(const std::string& path) {
  return kind_of_path(kHomeRules, "/" + path) == PathKind::kHome;
}

using Files = std::map<std::string, std::string>;  // path → text

Files files_of(const fs::path& root) {
  Files out;
  for (const auto& at : fs::recursive_directory_iterator(root)) {
    if (!at.is_regular_file()) continue;
    std::ifstream in(at.path(), std::ios::binary);
    out[at.path().lexically_relative(root)] = {std::istreambuf_iterator<char>(in), {}};
  }
  return out;
}

struct Job {
  HomeStart start;
  Files root;  // what it began with
  Files view;  // what it sees
  UpperModel upper;
  std::set<std::string> touched;
  uint64_t began = 0;  // by the count of events
  bool ended = false;
};

struct Counts {
  uint64_t events = 0, edits = 0, edits_inside = 0, writes = 0, partial = 0, final = 0, crashes = 0;
  uint64_t taken = 0, conflicts = 0, kept = 0;
};

// Tells what happens, for one seed that fails.
void say(const std::string& line) {
  static const bool told = std::getenv("DEVRUN_HOME_TELL") != nullptr;
  if (told) fmt::print("{}\n", line);
}

class HomeProperty : public StoreTest {
 protected:
  void begin_anew() {
    jobs_.clear();
    dev_.clear();
    dev_touch_.clear();
    writer_.reset();
    texts_ = 0;
    if (storage_->volume("v")) {
      ASSERT_TRUE(storage_->remove_volume("v", [] { return ok(); }));
    }
  }
  void run(uint32_t seed);
  Counts counts_;

 private:
  size_t pick(size_t below) { return std::uniform_int_distribution<size_t>(0, below - 1)(random_); }
  const std::string& some_path() { return kPaths[pick(kPaths.size())]; }
  std::string new_text(const std::string& who) {
    static constexpr size_t kSizes[] = {10, 700, 3000};
    std::string out = fmt::format("{} {} ", who, ++texts_);
    out.resize(std::max(out.size(), kSizes[pick(3)]), '.');
    return out;
  }

  void edit();
  void dev_write(const std::string& path);
  void dev_remove(const std::string& path);
  void dev_touched(const std::string& path) {
    for (const std::string& known : kPaths) {
      if (related(known, path)) dev_touch_[known] = counts_.events;
    }
  }
  void start_job();
  void job_write(Job& job);
  void job_remove(Job& job, const std::string& path);
  void round(Job& job, bool final);
  bool crashing_round(const Job& job);
  void check(const Job& job);
  void check_all();

  std::mt19937 random_;
  uint64_t seed_ = 0;
  uint64_t texts_ = 0;
  std::vector<Job> jobs_;
  Files dev_;  // what the developer wrote last, and has not removed
  std::map<std::string, uint64_t> dev_touch_;
  std::optional<std::pair<std::string, UniqueFd>> writer_;  // a file that is open in an editor
  bool inside_ = false;
  std::vector<std::string> home_paths_;  // that are being brought home
};

void HomeProperty::dev_remove(const std::string& path) {
  for (auto at = dev_.begin(); at != dev_.end();) {
    const bool gone = at->first == path || at->first.starts_with(path + "/");
    at = gone ? dev_.erase(at) : std::next(at);
  }
  dev_touched(path);
  say("dev removes " + path);
  std::error_code ignored;
  fs::remove_all(live(path), ignored);
}

void HomeProperty::dev_write(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (fs::exists(live(above)) && !fs::is_directory(live(above))) dev_remove(above);
  }
  if (fs::is_directory(live(path))) dev_remove(path);
  fs::create_directories(fs::path(live(path)).parent_path());
  const std::string text = new_text("dev");
  say("dev writes " + path + ": " + text.substr(0, 8));
  dev_touched(path);
  dev_[path] = text;
  if (pick(2) == 0) {
    std::ofstream(live(path), std::ios::binary) << text;  // in place
  } else {
    std::ofstream(live(path) + ".new", std::ios::binary) << text;
    fs::rename(live(path) + ".new", live(path));
  }
}

void HomeProperty::edit() {
  ++counts_.events;
  ++(inside_ ? counts_.edits_inside : counts_.edits);
  std::string path = some_path();
  if (inside_ && !home_paths_.empty() && pick(4) != 0) path = home_paths_[pick(home_paths_.size())];
  switch (pick(5)) {
    case 0:
      return dev_remove(path);
    case 1:
      // Opened now, written later.
      if (writer_) {
        const auto text = new_text("dev");
        struct stat st {};
        const bool named = ::stat(live(writer_->first).c_str(), &st) == 0;
        struct stat mine {};
        ::fstat(writer_->second.get(), &mine);
        if (named && st.st_ino == mine.st_ino && ::ftruncate(writer_->second.get(), 0) == 0 &&
            ::pwrite(writer_->second.get(), text.data(), text.size(), 0) > 0) {
          say("dev writes through an old descriptor: " + writer_->first);
          dev_[writer_->first] = text;
          dev_touched(writer_->first);
        }
        writer_.reset();
      } else {
        UniqueFd file(::open(live(path).c_str(), O_RDWR | O_NOFOLLOW));
        if (!file) return;
        writer_.emplace(path, std::move(file));
        dev_touched(path);
      }
      return;
    default:
      return dev_write(path);
  }
}

void HomeProperty::start_job() {
  ++counts_.events;
  Job& job = jobs_.emplace_back();
  job.start.key = {seed_ * kJobsMax + jobs_.size(), kNoTask, 0, 1};
  job.start.volume = "v";
  job.start.rules = kHomeRules;
  job.start.applies = true;
  job.start.root = snapshot().tree;
  job.root = job.view = files_of(live(""));
  job.began = counts_.events;
  say(fmt::format("job {} begins", job.start.key.job));
}

void HomeProperty::job_remove(Job& job, const std::string& path) {
  bool in_root = false;
  for (const auto& [known, text] : job.root)
    in_root |= known == path || known.starts_with(path + "/");
  for (const std::string& known : kPaths) {
    if (known == path || known.starts_with(path + "/")) {
      job.upper.forget(known);
      job.touched.insert(known);
    }
  }
  for (auto at = job.view.begin(); at != job.view.end();) {
    const bool gone = at->first == path || at->first.starts_with(path + "/");
    at = gone ? job.view.erase(at) : std::next(at);
  }
  job.upper.forget(path);
  if (in_root) job.upper.remove(path);
}

void HomeProperty::job_write(Job& job) {
  ++counts_.events;
  ++counts_.writes;
  const std::string path = some_path();
  if (pick(4) == 0) {
    say(fmt::format("job {} removes {}", job.start.key.job, path));
    if (job.view.contains(path)) job_remove(job, path);
    return;
  }
  // A file in the way of a folder, or a folder in the way of the file.
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    const bool below_there = std::ranges::any_of(
        job.root, [&](const auto& file) { return file.first.starts_with(above + "/"); });
    if (!job.view.contains(above)) continue;
    job_remove(job, above);
    job.upper.make_folder(above, below_there);
  }
  const bool is_folder = std::ranges::any_of(
      job.view, [&](const auto& file) { return file.first.starts_with(path + "/"); });
  // Or one that is empty by now.
  if (is_folder || job.upper.has_below(path)) job_remove(job, path);
  // One that was deleted above, with what the root has below it.
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (job.upper.is_whiteout(above)) job.upper.make_folder(above, true);
  }
  const std::string text = new_text(fmt::format("job{}", job.start.key.job));
  say(fmt::format("job {} writes {}", job.start.key.job, path));
  job.upper.write(path, text);
  job.view[path] = text;
  job.touched.insert(path);
}

// In a process of its own that ends at some step; whether it ended there.
bool HomeProperty::crashing_round(const Job& job) {
  storage_.reset();
  const size_t steps = 1 + pick(25);
  const pid_t child = ::fork();
  if (child == 0) {
    size_t reached = 0;
    const FaultPoint fault = [&](std::string_view name) {
      if (!name.starts_with("home.") || ++reached != steps) return;
      say(fmt::format("  it crashes at {}", name));
      std::fflush(stdout);
      ::_exit(7);
    };
    auto opened = Storage::open(store(), fault);
    if (!opened) ::_exit(3);
    ::_exit(bring(**opened, job.start, job.upper) ? 0 : 4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 7 || WEXITSTATUS(status) == 0))
      << status;
  reopen();
  return WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

void HomeProperty::round(Job& job, bool final) {
  ++counts_.events;
  ++(final ? counts_.final : counts_.partial);
  job.start.final = final;
  if (pick(6) == 0 && !writer_) {
    say(fmt::format("job {}: a round that may crash", job.start.key.job));
    if (crashing_round(job)) ++counts_.crashes;
    if (pick(2) == 0) edit();
  }
  say(fmt::format("job {}: {} round", job.start.key.job, final ? "final" : "partial"));
  if (writer_) dev_touched(writer_->first);  // what is open for writing is being edited
  home_paths_.clear();
  for (const std::string& path : job.touched) {
    if (is_home(path)) home_paths_.push_back(path);
  }
  inside_ = true;
  UpperModel told = job.upper;
  if (!final) told.drop_deletions();
  const Result<HomeSummary> done = bring(*storage_, job.start, told);
  inside_ = false;
  ASSERT_TRUE(done) << done.error().message;
  for (const WrittenFile& file : done->conflicting) say("  conflict: " + file.path);
  if (!final) return;
  job.ended = true;
  counts_.taken += done->files;
  counts_.conflicts += done->conflicts;
  counts_.kept += done->kept;
}

// Its change set has all that it wrote, wherever that went.
void HomeProperty::check(const Job& job) {
  const Result<ChangeSet> set = storage_->change_set(job.start.key);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->complete);
  for (const std::string& path : job.touched) {
    std::string text;
    const Status read =
        storage_->read_tree_file(set->left, path, 1 << 20, [&](std::string_view part) {
          text += part;
          return ok();
        });
    const auto wanted = job.view.find(path);
    if (wanted == job.view.end()) {
      EXPECT_FALSE(read) << path << " of job " << job.start.key.job;
    } else {
      EXPECT_EQ(text, wanted->second) << path << " of job " << job.start.key.job;
    }
  }
}

void HomeProperty::check_all() {
  const Files now = files_of(live(""));
  for (const Job& job : jobs_) check(job);
  for (const auto& [path, text] : now) {
    EXPECT_EQ(path.find(".devrun-home"), std::string::npos) << path;
  }
  // What the developer wrote is there, unless a job that had seen it wrote another.
  for (const auto& [path, text] : dev_) {
    const auto there = now.find(path);
    if (there != now.end() && there->second == text) continue;
    // Or next to it, should another edit have had the name in that instant.
    const bool beside = std::ranges::any_of(now, [&](const auto& file) {
      return file.second == text && file.first.find(".devrun-kept") != std::string::npos;
    });
    if (beside) continue;
    const bool replaced = std::ranges::any_of(jobs_, [&](const Job& job) {
      const auto seen = job.root.find(path);
      return seen != job.root.end() && seen->second == text &&
             std::ranges::any_of(job.touched, [&](const auto& one) { return related(one, path); });
    });
    EXPECT_TRUE(replaced) << "lost: " << path << ": " << text.substr(0, 12);
  }
  // What one side alone has touched is as that side left it.
  for (const std::string& path : kPaths) {
    std::vector<const Job*> by;
    for (const Job& job : jobs_) {
      const auto touches = [&](const std::string& one) { return related(one, path); };
      if (std::ranges::any_of(job.touched, touches)) by.push_back(&job);
    }
    const auto there = now.find(path);
    if (by.empty()) {
      const auto dev = dev_.find(path);
      EXPECT_EQ(there != now.end(), dev != dev_.end()) << path;
    }
    if (by.size() != 1 || !is_home(path) || !by[0]->touched.contains(path)) continue;
    if (dev_touch_[path] > by[0]->began) continue;
    const auto wanted = by[0]->view.find(path);
    ASSERT_EQ(there != now.end(), wanted != by[0]->view.end()) << path;
    if (there == now.end()) continue;
    EXPECT_EQ(there->second, wanted->second) << path;
  }
}

void HomeProperty::run(uint32_t seed) {
  seed_ = seed;
  random_.seed(seed);
  // Edits in the middle of what is brought home.
  fault_ = [this](std::string_view name) {
    if (inside_ && name.starts_with("home.") && pick(3) == 0) edit();
  };
  reopen();
  create("v");
  fs::create_directories(live("root"));
  for (int i = 0; i < 6; ++i) edit();
  const size_t jobs = 1 + pick(kJobsMax);
  for (size_t step = 0; step < 40 && !HasFatalFailure(); ++step) {
    const size_t what = pick(10);
    if (jobs_.size() < jobs && (what == 0 || step == 0)) {
      start_job();
    } else if (what < 4) {
      edit();
    } else {
      Job& job = jobs_[pick(jobs_.size())];
      if (job.ended) continue;
      if (what == 9) {
        round(job, pick(3) == 0);
      } else {
        job_write(job);
      }
    }
  }
  for (Job& job : jobs_) {
    if (!job.ended && !HasFatalFailure()) round(job, true);
  }
  if (!HasFatalFailure()) check_all();
}

TEST_P(HomeProperty, NothingIsLostAndNothingIsOverwritten) {
  const auto number = [](const char* name, uint32_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
  };
  const uint32_t seeds = number("DEVRUN_HOME_SEEDS", 200);
  const uint32_t first = number("DEVRUN_HOME_SEED", 1);
  Counts all;
  for (uint32_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    begin_anew();
    run(seed);
    if (HasFailure()) break;
  }
  all = counts_;
  const double per = 1.0 / seeds;
  fmt::print(
      "{} seeds: {:.0f} events each; {} edits and {} inside a round, {} writes, {} partial and {} "
      "final rounds, {} crashes; {} entries taken, {} conflicts, {} kept\n",
      seeds, static_cast<double>(all.events) * per, all.edits, all.edits_inside, all.writes,
      all.partial, all.final, all.crashes, all.taken, all.conflicts, all.kept);
}

INSTANTIATE_TEST_SUITE_P(On, HomeProperty, ::testing::Values(FileSystem::kBtrfs),
                         name_of_parameter);

}  // namespace
}  // namespace devrun::storage
