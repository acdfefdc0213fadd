#include "bench/fs_read/scene.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "cli/cluster/ganesha.h"
#include "cli/cluster/ports.h"
#include "common/runtime/file.h"
#include "common/tree/codec.h"
#include "common/tree/paths.h"

namespace devrun::bench {

namespace {

constexpr int64_t kSomeTimeNs = 1'700'000'000'000'000'000;
constexpr tree::Lineage kLineage{7};
constexpr uint16_t kFirstPort = 7800;

std::string random_bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string out((size + 7) / 8 * 8, '\0');
  for (size_t at = 0; at < out.size(); at += 8) {
    const uint64_t word = random();
    std::memcpy(out.data() + at, &word, sizeof word);
  }
  out.resize(size);
  return out;
}

Status put(const std::string& folder, const std::string& path, std::string_view bytes) {
  const std::filesystem::path full = std::filesystem::path(folder) / path;
  std::filesystem::create_directories(full.parent_path());
  return write_file_atomically(full.string(), bytes);
}

tree::Entry entry_of(const std::string& name, uint64_t inode) {
  tree::Entry out;
  out.name = name;
  out.mode = 0644;
  out.mtime_ns = out.ctime_ns = kSomeTimeNs;
  out.inode = inode;
  out.lineage = kLineage;
  return out;
}

Result<tree::Entry> make_file(const std::string& folder, const std::string& name, uint64_t size,
                              uint64_t inode) {
  tree::Entry out = entry_of(name, inode);
  out.size = size;
  const std::string making = folder + "/making";
  std::ofstream file(making, std::ios::binary);
  std::string list;
  for (uint64_t at = 0; at < size; at += tree::kChunkBytes) {
    const std::string chunk =
        random_bytes(std::min(tree::kChunkBytes, size - at), inode * 1'000'003 + at);
    list += tree::sha256(chunk).view();
    file << chunk;
  }
  file.close();
  if (!file) return Error{Code::kIo, "writing " + making, {}};
  out.body = {tree::BodyKind::kChunked, std::string(tree::sha256(list).view())};
  const std::filesystem::path path = std::filesystem::path(folder) / tree::body_path(out.body);
  std::filesystem::create_directories(path.parent_path());
  std::filesystem::rename(making, path);
  if (size > tree::kChunkBytes) TRY(put(folder, tree::chunk_list_path(out.body), list));
  return out;
}

}  // namespace

Result<Export> make_export(const std::string& folder, uint64_t large_bytes, size_t small_count,
                           size_t small_bytes) {
  std::filesystem::create_directories(folder);
  Export out{folder, {}, TRY(make_file(folder, "large", large_bytes, 300)), {}};
  for (size_t i = 0; i < small_count; ++i) {
    out.small.push_back(TRY(make_file(folder, fmt::format("f{:06}", i), small_bytes, 1000 + i)));
  }
  const tree::Object below = tree::encode_directory({out.small}, kLineage);
  tree::Entry small = entry_of("small", 301);
  small.type = tree::EntryType::kDirectory;
  small.mode = 0755;
  small.directory = below.id;
  const tree::Object top = tree::encode_directory({{out.large, small}}, kLineage);
  const std::string pack = tree::encode_pack({top.bytes, below.bytes});
  tree::Manifest manifest;
  manifest.root = entry_of("", 256);
  manifest.root.type = tree::EntryType::kDirectory;
  manifest.root.mode = 0755;
  manifest.root.directory = manifest.tree = out.tree = top.id;
  manifest.volume = "bench";
  manifest.lineage = kLineage;
  manifest.taken_ns = kSomeTimeNs;
  manifest.packs = {tree::sha256(pack)};
  TRY(put(folder, tree::pack_path(manifest.packs.front()), pack));
  TRY(put(folder, tree::manifest_path(out.tree), tree::encode_manifest(manifest)));
  return out;
}

Result<Server> Server::start(const std::string& exported, const std::string& folder) {
  std::filesystem::create_directories(folder + "/recovery");
  const uint16_t port = TRY(cluster::free_port(kFirstPort));
  TRY(write_file_atomically(folder + "/ganesha.conf",
                            cluster::ganesha_config(port, exported, folder)));
  std::vector<std::string> words = cluster::ganesha_words("/usr/bin/ganesha.nfsd", folder);
  std::vector<std::string> settings = cluster::ganesha_environment(folder);
  settings.emplace_back("PATH=/usr/bin:/bin");
  std::vector<char*> argv, environment;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& word : settings) environment.push_back(word.data());
  argv.push_back(nullptr);
  environment.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork", errno);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execve(argv[0], argv.data(), environment.data());
    ::_exit(127);
  }
  Server out(pid, port);
  while (!cluster::port_accepts(port)) {
    if (::waitpid(pid, nullptr, WNOHANG) != 0) {
      return Error{Code::kUnavailable, "ganesha.nfsd ended: see " + folder + "/ganesha.log", {}};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return out;
}

Server::Server(Server&& other) noexcept : pid_(std::exchange(other.pid_, 0)), port_(other.port_) {}

Server::~Server() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

volume::NfsAddress Server::address() const {
  return {"127.0.0.1", port_, {}};
}

}  // namespace devrun::bench
