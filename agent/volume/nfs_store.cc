#include "agent/volume/nfs_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "agent/volume/libnfs_headers.h"

namespace devrun::volume {

namespace {

using std::chrono::milliseconds;

constexpr uint64_t kSmallBytesMax = 64 << 10;
// Places in connections_, and calls in flight.
constexpr size_t kSmall = 0;
constexpr size_t kLarge = 1;  // to 3
constexpr size_t kPrefetchSmall = 4;
constexpr size_t kPrefetchLarge = 5;
constexpr std::array<size_t, 6> kInFlightMax = {64, 8, 8, 8, 32, 4};
constexpr size_t kPiecesAtOnce = 8;  // of a blocking read
constexpr milliseconds kPreferredAnswersWithin{3'000};

Error error_of(const std::string& path, int status) {
  if (status == NFS4ERR_NOENT) {
    return Error{Code::kNotFound, fmt::format("{}: no such file in the store", path), {}};
  }
  if (status == NFS4ERR_ACCESS || status == NFS4ERR_PERM || status == NFS4ERR_WRONGSEC) {
    return Error{
        Code::kDenied,
        fmt::format("the store does not let this node read {}: {}", path, nfs_status_name(status)),
        "check the export's client list, and that devrun-fs runs as root"};
  }
  return Error{Code::kIo, fmt::format("read {}: {}", path, nfs_status_name(status)), {}};
}

NfsRead read_of(const std::string& path, uint64_t offset, uint64_t size) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {{}, path, offset, static_cast<uint32_t>(size)};
  return {path.substr(0, slash), path.substr(slash + 1), offset, static_cast<uint32_t>(size)};
}

// Who waits for several answers; the connections' threads keep it alive.
struct Gathering {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<Result<NfsAnswer>>> answers;
  size_t missing = 0;
};

}  // namespace

Result<std::unique_ptr<NfsStore>> NfsStore::open(std::vector<NfsAddress> addresses,
                                                 NfsConnection::Options options) {
  if (addresses.empty()) return Error{Code::kInvalid, "no address of an NFS server", {}};
  std::unique_ptr<NfsStore> out(new NfsStore(std::move(addresses)));
  for (size_t i = 0; i < kConnections; ++i) {
    NfsConnection::Options own = options;
    own.in_flight_max = kInFlightMax[i];
    out->connections_[i] = TRY(NfsConnection::open(out->servers_, own));
  }
  if (out->servers_.count() > 1) {
    out->watcher_ = std::jthread([raw = out.get(), options](const std::stop_token& stop) {
      raw->watch_preferred(stop, options);
    });
  }
  return out;
}

NfsStore::~NfsStore() {
  close();
}

void NfsStore::close() {
  watcher_ = {};
  for (const auto& connection : connections_) {
    if (connection) connection->close();
  }
}

NfsConnection& NfsStore::connection_for(uint64_t size, Priority priority) {
  const bool small = size <= kSmallBytesMax;
  if (priority == Priority::kPrefetch)
    return *connections_[small ? kPrefetchSmall : kPrefetchLarge];
  if (small) return *connections_[kSmall];
  // One of them stays free of what is read ahead.
  size_t best = priority == Priority::kDemand ? kLarge : kLarge + 1;
  for (size_t i = best + 1; i < kPrefetchSmall; ++i) {
    if (connections_[i]->load() < connections_[best]->load()) best = i;
  }
  return *connections_[best];
}

Result<NfsAnswer> NfsStore::checked(const std::string& path, Result<NfsAnswer> answer) {
  if (!answer) return answer;
  if (answer->status != NFS4_OK) return error_of(path, answer->status);
  if (answer->data.empty() && !answer->end_of_file) {
    return Error{Code::kIo, fmt::format("read {}: neither bytes nor an end", path), {}};
  }
  reads_ += 1;
  bytes_read_ += answer->data.size();
  return answer;
}

void NfsStore::start(const Range& range, Done done) {
  connection_for(range.size, range.priority)
      .start(read_of(range.path, range.offset, range.size),
             [this, range, done = std::move(done)](Result<NfsAnswer> answer) mutable {
               answer = checked(range.path, std::move(answer));
               if (!answer) {
                 done(std::move(answer).error());
               } else if (answer->data.size() >= range.size || answer->end_of_file) {
                 done(std::move(answer->data));
               } else {
                 // A server may give less than it was asked for.
                 Range rest = range;
                 rest.offset += answer->data.size();
                 rest.size -= answer->data.size();
                 start(rest, [head = std::move(answer->data),
                              done = std::move(done)](Result<std::string> tail) {
                   done(tail ? Result<std::string>(head + *tail) : std::move(tail));
                 });
               }
             });
}

Result<std::string> NfsStore::read_pieces(const std::string& path, uint64_t offset, uint64_t size,
                                          Deadline deadline, Priority priority, bool& end_of_file) {
  const auto all = std::make_shared<Gathering>();
  const size_t pieces = (size + kNfsReadBytesMax - 1) / kNfsReadBytesMax;
  all->answers.resize(pieces);
  all->missing = pieces;
  NfsConnection& connection = connection_for(size, priority);
  std::vector<NfsConnection::Ticket> tickets;
  for (size_t i = 0; i < pieces; ++i) {
    const uint64_t from = i * uint64_t{kNfsReadBytesMax};
    tickets.push_back(connection.start(
        read_of(path, offset + from, std::min<uint64_t>(size - from, kNfsReadBytesMax)),
        [all, i](Result<NfsAnswer> answer) {
          const std::lock_guard lock(all->mutex);
          all->answers[i] = std::move(answer);
          if (--all->missing == 0) all->changed.notify_one();
        }));
  }
  std::unique_lock lock(all->mutex);
  const auto complete = [&] { return all->missing == 0; };
  if (!deadline) {
    all->changed.wait(lock, complete);
  } else if (!all->changed.wait_until(lock, *deadline, complete)) {
    for (const auto& ticket : tickets) connection.abandon(ticket);
    const NfsAddress& address = servers_.address(servers_.current());
    return Error{Code::kUnavailable,
                 fmt::format("the store at {}:{} does not answer: {}", address.host, address.port,
                             connection.last_error()),
                 "devrun doctor"};
  }
  std::string out;
  for (size_t i = 0; i < pieces; ++i) {
    NfsAnswer answer = TRY(checked(path, std::move(*all->answers[i])));
    const uint64_t wanted =
        std::min<uint64_t>(size - i * uint64_t{kNfsReadBytesMax}, kNfsReadBytesMax);
    const bool whole = answer.data.size() == wanted;
    end_of_file = answer.end_of_file;
    if (out.empty()) {
      out = std::move(answer.data);
    } else {
      out += answer.data;
    }
    if (end_of_file || !whole) break;  // what follows is asked for again
  }
  return out;
}

Result<std::string> NfsStore::read_whole(const std::string& path, uint64_t bytes_max,
                                         Deadline deadline, Priority priority) {
  std::string out;
  for (bool end_of_file = false; !end_of_file;) {
    const uint64_t size = out.empty() ? kNfsReadBytesMax : kPiecesAtOnce * kNfsReadBytesMax;
    std::string part = TRY(read_pieces(path, out.size(), size, deadline, priority, end_of_file));
    if (out.empty()) {
      out = std::move(part);
    } else {
      out += part;
    }
    if (out.size() > bytes_max) {
      return Error{Code::kExhausted, fmt::format("{} has more than {} bytes", path, bytes_max), {}};
    }
  }
  return out;
}

Result<std::string> NfsStore::read_range(const std::string& path, uint64_t offset, uint64_t size,
                                         Deadline deadline, Priority priority) {
  std::string out;
  for (bool end_of_file = false; out.size() < size && !end_of_file;) {
    const uint64_t left = std::min<uint64_t>(size - out.size(), kPiecesAtOnce * kNfsReadBytesMax);
    std::string part =
        TRY(read_pieces(path, offset + out.size(), left, deadline, priority, end_of_file));
    if (out.empty()) {
      out = std::move(part);
    } else {
      out += part;
    }
  }
  return out;
}

// Any answer of the preferred server counts, twice in a row.
void NfsStore::watch_preferred(const std::stop_token& stop, NfsConnection::Options options) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  const auto pause = [&](milliseconds time) {
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, time, [] { return false; });
    return !stop.stop_requested();
  };
  int answers = 0;
  while (pause(options.look_at_preferred_every)) {
    if (servers_.current() == 0) continue;
    NfsServers preferred({servers_.address(0)});
    options.away_until_told = std::chrono::hours(24);  // not its business
    const auto connection = NfsConnection::open(preferred, options);
    if (!connection) continue;
    const auto answered = std::make_shared<std::atomic<bool>>(false);
    (*connection)->start(read_of("packs", 0, 0), [answered](const Result<NfsAnswer>& answer) {
      if (answer) *answered = true;
    });
    const auto end = std::chrono::steady_clock::now() + kPreferredAnswersWithin;
    while (!*answered && std::chrono::steady_clock::now() < end && pause(milliseconds(50))) {
    }
    answers = *answered ? answers + 1 : 0;
    if (answers < 2) continue;
    servers_.prefer(0);
    answers = 0;
  }
}

void NfsStore::count(std::map<std::string, uint64_t>& counters) const {
  for (const auto& connection : connections_) {
    counters["nfs.call"] += connection->calls();
    counters["nfs.connect"] += connection->connects();
    counters["nfs.retry"] += connection->retries();
    counters["nfs.waiting"] += connection->load();
  }
  counters["nfs.read"] = reads_;
  counters["nfs.bytes_read"] = bytes_read_;
  counters["nfs.away_seconds"] = servers_.away_seconds();
  counters["nfs.server"] = servers_.current();
  counters["nfs.server_moves"] = servers_.moves();
}

}  // namespace devrun::volume
