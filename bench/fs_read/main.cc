// See bench/fs-read, which builds and starts it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/keeper/namespace_setup.h"
#include "agent/volume/disk_cache.h"
#include "agent/volume/fs_client.h"
#include "agent/volume/nfs_store.h"
#include "agent/volume/node_fs.h"
#include "bench/fs_read/raw_calls.h"
#include "bench/fs_read/scene.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/runtime/file.h"
#include "common/tree/paths.h"

namespace devrun::bench {
namespace {

constexpr size_t kSmallCount = 10'000;
constexpr size_t kSmallBytes = 6'000;
constexpr unsigned kReaders = 16;
constexpr uint64_t kMiB = 1 << 20;

struct Settings {
  std::string folder = "/var/tmp";
  uint64_t large_mb = 1024;
  int rounds = 5;
  bool cache = true;
  std::string json;
};

double seconds_of(const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

uint64_t read_file_in_order(const std::string& path, std::vector<char>& buffer) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  uint64_t bytes = 0;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n <= 0) return bytes;
    bytes += static_cast<uint64_t>(n);
  }
}

// A node that has nothing yet: mounts, memory and cache of its own.
class ColdNode {
 public:
  ColdNode(const Settings& settings, const Server& server, int round)
      : folder_(fmt::format("{}/node{}", settings.folder, round)) {
    volume::NodeFs::Mount mounts[2];
    const char* const names[] = {"plain", "xattr"};
    for (size_t i = 0; i < 2; ++i) {
      mounts[i].mounted_at = folder_ + "/" + names[i];
      std::filesystem::create_directories(mounts[i].mounted_at);
      auto fd = keeper::mount_fuse(mounts[i].mounted_at, names[i]);
      CHECK(fd.has_value());
      mounts[i].fd = std::move(*fd);
    }
    auto store = volume::NfsStore::open({server.address()}, {});
    auto state = volume::NodeState::create(folder_);
    CHECK(store.has_value() && state.has_value());
    std::unique_ptr<volume::DiskCache> cache;
    if (settings.cache) {
      auto opened = volume::DiskCache::open(folder_ + "/cache", {});
      CHECK(opened.has_value());
      cache_ = opened->get();
      cache = std::move(*opened);
    }
    auto fs = volume::NodeFs::start(std::move(*store), std::move(cache), std::move(*state),
                                    std::move(mounts[0]), std::move(mounts[1]),
                                    {.control_socket = folder_ + "/fs.sock"});
    CHECK(fs.has_value());
    fs_ = std::move(*fs);
  }
  ~ColdNode() {
    ::umount2((folder_ + "/plain").c_str(), MNT_DETACH);
    ::umount2((folder_ + "/xattr").c_str(), MNT_DETACH);
    fs_->wait();
    fs_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  ColdNode(const ColdNode&) = delete;
  ColdNode& operator=(const ColdNode&) = delete;

  std::string prepare(const Digest& tree) {
    Root root;
    root.tree = tree;
    const auto path = fs_prepare(folder_ + "/fs.sock", root);
    CHECK(path.has_value());
    return path->path;
  }
  void settle() {
    if (cache_ != nullptr) cache_->settle();
  }
  std::map<std::string, uint64_t> count() const { return fs_->count(); }

 private:
  std::string folder_;
  volume::DiskCache* cache_ = nullptr;
  std::unique_ptr<volume::NodeFs> fs_;
};

struct Times {
  std::vector<double> raw;
  std::vector<double> ours;
  std::vector<double> settled;
  uint64_t kept_bytes = 0;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::vector<RawRead> large_reads(const Export& exported) {
  std::vector<RawRead> out;
  for (uint64_t at = 0; at < exported.large.size; at += kMiB) {
    out.push_back({tree::body_path(exported.large.body), at, static_cast<uint32_t>(kMiB)});
  }
  return out;
}

std::vector<RawRead> small_reads(const Export& exported) {
  std::vector<RawRead> out;
  for (const tree::Entry& entry : exported.small) {
    out.push_back({tree::body_path(entry.body), 0, static_cast<uint32_t>(kMiB)});
  }
  return out;
}

void read_all_small(const std::string& folder, const Export& exported) {
  std::atomic<size_t> next{0};
  std::vector<std::jthread> readers;
  for (unsigned i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      std::vector<char> buffer(kMiB);
      for (size_t at = next++; at < exported.small.size(); at = next++) {
        CHECK(read_file_in_order(folder + "/" + exported.small[at].name, buffer) == kSmallBytes);
      }
    });
  }
}

Status measure(const Settings& settings, const Export& exported, const Server& server, bool large,
               Times& times) {
  const std::vector<RawRead> reads = large ? large_reads(exported) : small_reads(exported);
  for (int round = 0; round <= settings.rounds; ++round) {
    Result<uint64_t> bytes = uint64_t{0};
    const double raw = seconds_of(
        [&] { bytes = read_raw(server.address(), reads, large ? 3 : 1, large ? 8 : 64); });
    const uint64_t got = TRY(std::move(bytes));
    CHECK(got == (large ? exported.large.size : kSmallCount * kSmallBytes));
    ColdNode node(settings, server, round);
    const std::string root = node.prepare(exported.tree);
    std::vector<char> buffer(kMiB);
    const double ours = seconds_of([&] {
      if (large) {
        CHECK(read_file_in_order(root + "/large", buffer) == exported.large.size);
      } else {
        read_all_small(root + "/small", exported);
      }
    });
    const double settled = ours + seconds_of([&] { node.settle(); });
    times.kept_bytes = node.count()["cache.bytes"];
    if (round == 0) continue;  // the server's own caches were cold
    times.raw.push_back(raw);
    times.ours.push_back(ours);
    times.settled.push_back(settled);
  }
  return ok();
}

nlohmann::json row(const std::string& name, double amount, const std::string& unit,
                   const Times& times) {
  const double raw = amount / median(times.raw);
  const double ours = amount / median(times.ours);
  fmt::print(
      "{:<34} raw {:>8.0f} {u}  devrun-fs {:>8.0f} {u}  = {:>3.0f} %  kept {} MiB, settled after "
      "{:.2f} s\n",
      name, raw, ours, 100 * ours / raw, times.kept_bytes >> 20, median(times.settled),
      fmt::arg("u", unit));
  return {{"name", name},      {"unit", unit},        {"raw", raw},
          {"devrun_fs", ours}, {"share", ours / raw}, {"kept_bytes", times.kept_bytes}};
}

Status run(const Settings& settings) {
  TRY(keeper::enter_new_namespace());
  const Export exported = TRY(
      make_export(settings.folder + "/export", settings.large_mb * kMiB, kSmallCount, kSmallBytes));
  const Server server = TRY(Server::start(exported.folder, settings.folder + "/nfs"));
  Times large, small;
  TRY(measure(settings, exported, server, true, large));
  TRY(measure(settings, exported, server, false, small));
  nlohmann::json rows;
  rows.push_back(row(fmt::format("one file of {} MiB, in order", settings.large_mb),
                     static_cast<double>(settings.large_mb), "MiB/s", large));
  rows.push_back(
      row(fmt::format("{} files of {} bytes, {} readers", kSmallCount, kSmallBytes, kReaders),
          static_cast<double>(kSmallCount), "files/s", small));
  if (!settings.json.empty()) TRY(write_file_atomically(settings.json, rows.dump(2) + "\n"));
  return ok();
}

Result<Settings> parse(const std::vector<std::string>& words) {
  Settings out;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size()) return Error{Code::kInvalid, words[i] + " needs a value", {}};
    const std::string& value = words[i + 1];
    const auto number = [&](auto& to) {
      std::from_chars(value.data(), value.data() + value.size(), to);
    };
    if (words[i] == "--disk") {
      out.folder = value;
    } else if (words[i] == "--mb") {
      number(out.large_mb);
    } else if (words[i] == "--rounds") {
      number(out.rounds);
    } else if (words[i] == "--cache") {
      out.cache = value != "no";
    } else if (words[i] == "--json") {
      out.json = std::filesystem::absolute(value);
    } else {
      return Error{Code::kInvalid, "no option " + words[i], {}};
    }
  }
  std::string folder = out.folder + "/devrun-bench-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr)
    return errno_error("make a folder in " + out.folder, errno);
  out.folder = folder;
  return out;
}

}  // namespace
}  // namespace devrun::bench

int main(int argc, char** argv) {
  using namespace devrun;
  log::start("bench", log::Level::kWarning);
  const auto settings = bench::parse({argv + 1, argv + argc});
  Status done = settings ? ok() : Status(settings.error());
  if (done) done = bench::run(*settings);
  if (settings) {
    std::error_code ignored;
    std::filesystem::remove_all(settings->folder, ignored);
  }
  if (done) return 0;
  fmt::print(stderr, "devrun: bench/fs-read: {}\n", done.error().message);
  return 1;
}
