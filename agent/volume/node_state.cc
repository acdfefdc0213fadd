#include "agent/volume/node_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/volume/packed_directory.h"
#include "common/base/check.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::volume {

namespace {

constexpr uint64_t kMagic = 0x31534652'44564e44;
constexpr uint64_t kStepBytes = 1 << 20;
constexpr uint64_t kPageBytes = 4096;

uint64_t up_to_page(uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

}  // namespace

struct NodeState::Header {
  uint64_t magic = kMagic;
  uint32_t format = kFormat;
  uint32_t unused = 0;
  // Paths are kept as hashes only: a build that hashes otherwise would not find its nodes again.
  uint64_t hash_of_a_word = 0;
  std::atomic<uint64_t> nodes{0};
  std::atomic<uint64_t> events{0};
  uint64_t disk_bytes = 0;
  MountState plain;
  MountState xattr;
};

namespace {
uint64_t hash_of_a_word() {
  return mix_hash(hash_bytes("devrun"), 1);
}
}  // namespace

Result<std::unique_ptr<NodeState>> NodeState::map(UniqueFd memory, UniqueFd disk) {
  const uint64_t size = up_to_page(sizeof(Header)) + up_to_page(kEventsMax * sizeof(Event)) +
                        up_to_page(kNodesMax * sizeof(Node));
  if (::ftruncate(memory.get(), static_cast<off_t>(size)) != 0) {
    return errno_error("size the memory of devrun-fs's nodes", errno);
  }
  void* const base =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory.get(), 0);
  if (base == MAP_FAILED) return errno_error("map the memory of devrun-fs's nodes", errno);
  return std::unique_ptr<NodeState>(
      new NodeState(std::move(memory), std::move(disk), static_cast<char*>(base)));
}

NodeState::NodeState(UniqueFd memory, UniqueFd disk, char* base)
    : memory_(std::move(memory)),
      disk_(std::move(disk)),
      base_(base),
      header_(reinterpret_cast<Header*>(base)),
      events_(reinterpret_cast<Event*>(base + up_to_page(sizeof(Header)))),
      nodes_(reinterpret_cast<Node*>(reinterpret_cast<char*>(events_) +
                                     up_to_page(kEventsMax * sizeof(Event)))) {}

NodeState::~NodeState() {
  const uint64_t size = up_to_page(sizeof(Header)) + up_to_page(kEventsMax * sizeof(Event)) +
                        up_to_page(kNodesMax * sizeof(Node));
  ::munmap(base_, size);
}

Result<std::unique_ptr<NodeState>> NodeState::create(const std::string& folder) {
  UniqueFd memory(::memfd_create("devrun-fs-nodes", MFD_CLOEXEC));
  if (!memory) return errno_error("make the memory of devrun-fs's nodes", errno);
  UniqueFd disk;
  if (!folder.empty()) {
    const std::string path = folder + "/packs";
    disk = TRY(open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
    ::unlink(path.c_str());
  }
  std::unique_ptr<NodeState> out = TRY(map(std::move(memory), std::move(disk)));
  if (::fallocate(out->memory_.get(), 0, 0, up_to_page(sizeof(Header))) != 0) {
    return errno_error("take memory for devrun-fs's nodes", errno);
  }
  // Everything else is zeros already; the magic last, for whoever looks while we are killed here.
  out->header_->format = kFormat;
  out->header_->hash_of_a_word = hash_of_a_word();
  std::atomic_thread_fence(std::memory_order_release);
  out->header_->magic = kMagic;
  return out;
}

Result<std::unique_ptr<NodeState>> NodeState::adopt(UniqueFd memory, UniqueFd disk) {
  std::unique_ptr<NodeState> out = TRY(map(std::move(memory), std::move(disk)));
  const Header& header = *out->header_;
  if (header.magic != kMagic || header.format != kFormat ||
      header.hash_of_a_word != hash_of_a_word()) {
    return Error{Code::kUnsupported,
                 fmt::format("what the last devrun-fs left is of format {}, and this one reads "
                             "format {} alone",
                             header.format, kFormat),
                 "start the node anew once nothing runs on it"};
  }
  return out;
}

bool NodeState::take_room(uint64_t offset, uint64_t bytes, uint64_t& taken) {
  if (bytes <= taken) return true;
  const uint64_t step = std::max(kStepBytes, bytes - taken);
  if (::fallocate(memory_.get(), 0, static_cast<off_t>(offset + taken), static_cast<off_t>(step)) !=
      0) {
    log::error("no memory for more nodes: {}", std::strerror(errno));
    return false;
  }
  taken += step;
  return true;
}

size_t NodeState::node_count() const {
  return header_->nodes.load(std::memory_order_acquire);
}

bool NodeState::add_node(const Node& node) {
  const size_t count = header_->nodes.load(std::memory_order_relaxed);
  const auto offset = static_cast<uint64_t>(reinterpret_cast<char*>(nodes_) - base_);
  if (count >= kNodesMax || !take_room(offset, (count + 1) * sizeof(Node), nodes_taken_)) {
    return false;
  }
  nodes_[count] = node;
  header_->nodes.store(count + 1, std::memory_order_release);
  return true;
}

size_t NodeState::event_count() const {
  return header_->events.load(std::memory_order_acquire);
}

bool NodeState::add_event(Event event, std::string_view bytes, Keep keep) {
  const size_t count = header_->events.load(std::memory_order_relaxed);
  const auto offset = static_cast<uint64_t>(reinterpret_cast<char*>(events_) - base_);
  if (count >= kEventsMax || !take_room(offset, (count + 1) * sizeof(Event), events_taken_)) {
    return false;
  }
  event.offset = header_->disk_bytes;
  event.bytes = bytes.size();
  size_t written = 0;
  while (disk_ && written < bytes.size()) {
    const ssize_t n = ::pwrite(disk_.get(), bytes.data() + written, bytes.size() - written,
                               static_cast<off_t>(event.offset + written));
    if (n <= 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written += static_cast<size_t>(n);
  }
  if (written < bytes.size()) {
    if (keep == Keep::kAlways) return false;
    if (disk_) log::warning("no room to keep a pack for a restart: the store will be asked again");
    event.bytes = 0;
  }
  header_->disk_bytes += event.bytes;
  events_[count] = event;
  header_->events.store(count + 1, std::memory_order_release);
  return true;
}

Result<std::string> NodeState::bytes_of(const Event& event) const {
  std::string out(event.bytes, '\0');
  size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t n = ::pread(disk_.get(), out.data() + filled, out.size() - filled,
                              static_cast<off_t>(event.offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read what the last devrun-fs kept", errno);
    if (n == 0) return Error{Code::kCorrupt, "what the last devrun-fs kept is cut short", {}};
    filled += static_cast<size_t>(n);
  }
  return out;
}

MountState& NodeState::mount(bool xattrs) const {
  return xattrs ? header_->xattr : header_->plain;
}

}  // namespace devrun::volume
