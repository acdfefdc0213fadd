#include "tests/unit/agent/home/store.h"

#include <gtest/gtest.h>

#include "common/tree/body_copy.h"
#include "common/tree/codec.h"
#include "common/wire/job.h"

namespace devrun::home {

namespace pb = devrun::v1;

namespace {

std::string name_of(const std::string& bytes) {
  std::string hashes;
  for (size_t at = 0; at < bytes.size(); at += tree::kChunkBytes) {
    hashes += tree::sha256(std::string_view(bytes).substr(at, tree::kChunkBytes)).view();
  }
  return "\x01" + tree::chunked_body(hashes).id;
}

grpc::Status wrong(const std::string& what) {
  ADD_FAILURE() << what;
  return {grpc::StatusCode::INVALID_ARGUMENT, what};
}

}  // namespace

struct Store::Taking {
  AttemptKey key;
  bool final = false;
  grpc::ServerReaderWriter<pb::HomeDown, pb::HomeUp>* stream = nullptr;
  std::vector<pb::HomeEntry> entries;
  std::map<uint64_t, std::string> wanted;  // what has come
  std::vector<uint64_t> order;             // of what has not
  std::map<uint64_t, std::string> came;
  std::vector<uint64_t> unsent;
};

Store::Store() {
  serve();
}

Store::~Store() {
  go_away();
}

void Store::serve() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

void Store::go_away() {
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void Store::come_back() {
  serve();
}

std::shared_ptr<grpc::Channel> Store::channel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port_),
                                   grpc::InsecureChannelCredentials(), arguments);
}

void Store::fail(grpc::StatusCode code, uint64_t after_bytes, int times) {
  const std::lock_guard lock(mutex_);
  failure_ = code;
  fail_after_ = received_ + after_bytes;
  failures_ = times;
}

bool Store::should_fail() {
  const std::lock_guard lock(mutex_);
  if (failures_ == 0 || received_ < fail_after_) return false;
  --failures_;
  return true;
}

Store::Kept Store::kept(const AttemptKey& key) {
  const std::lock_guard lock(mutex_);
  return kept_[key];
}

std::string Store::bytes(const AttemptKey& key, const std::string& path) {
  const Kept all = kept(key);
  const auto found = all.files.find(path);
  return found == all.files.end() ? "-" : found->second.bytes;
}

uint64_t Store::bytes_received() {
  const std::lock_guard lock(mutex_);
  return received_;
}

int Store::most_at_once() {
  const std::lock_guard lock(mutex_);
  return most_at_once_;
}

int Store::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

grpc::Status Store::BringHome(grpc::ServerContext*,
                              grpc::ServerReaderWriter<pb::HomeDown, pb::HomeUp>* stream) {
  pb::HomeUp up;
  if (!stream->Read(&up) || !up.has_start()) return wrong("no start");
  Taking taking;
  taking.key = *wire::from_proto(up.start().key());
  taking.final = up.start().final();
  taking.stream = stream;
  {
    const std::lock_guard lock(mutex_);
    ++calls_;
    most_at_once_ = std::max(most_at_once_, ++under_way_[taking.key]);
  }
  grpc::Status out = take(taking);
  const std::lock_guard lock(mutex_);
  --under_way_[taking.key];
  return out;
}

grpc::Status Store::take_bytes(Taking& taking, const pb::HomeBytes& bytes) {
  if (taking.order.empty() || taking.order.front() != bytes.entry()) {
    return wrong("bytes out of order");
  }
  std::string& came = taking.came[bytes.entry()];
  came.append(bytes.zeros(), '\0');
  came += bytes.data();
  {
    const std::lock_guard lock(mutex_);
    received_ += bytes.data().size();
  }
  if (!bytes.last()) return grpc::Status::OK;
  taking.order.erase(taking.order.begin());
  const pb::HomeEntry& entry = taking.entries.at(bytes.entry());
  if (came.size() != entry.entry().size()) return wrong("not as long as it was told");
  const std::string name = name_of(came);
  if (!entry.unnamed() && name != entry.entry().body()) {
    return {grpc::StatusCode::FAILED_PRECONDITION, "other bytes"};
  }
  taking.entries.at(bytes.entry()).mutable_entry()->set_body(name);
  const std::lock_guard lock(mutex_);
  bodies_[name] = std::move(came);
  return grpc::Status::OK;
}

grpc::Status Store::take(Taking& taking) {
  pb::HomeUp up;
  bool listed = false;
  while ((!listed || !taking.order.empty()) && taking.stream->Read(&up)) {
    if (should_fail()) return {failure_, "told to fail"};
    if (up.has_entries()) {
      EXPECT_LE(up.ByteSizeLong(), 2u << 20);
      pb::HomeDown down;
      down.mutable_wanted()->set_zeros(takes_zeros_);
      for (pb::HomeEntry& entry : *up.mutable_entries()->mutable_entries()) {
        const pb::Entry& e = entry.entry();
        const bool chunked = !entry.whiteout() && e.type() == pb::REGULAR && e.size() > 512;
        const std::lock_guard lock(mutex_);
        if (chunked && (entry.unnamed() || !bodies_.contains(e.body()))) {
          taking.order.push_back(taking.entries.size());
          down.mutable_wanted()->add_entries(taking.entries.size());
        }
        taking.entries.push_back(std::move(entry));
      }
      if (down.wanted().entries_size() > 0) taking.stream->Write(down);
    } else if (up.has_bytes()) {
      if (grpc::Status taken = take_bytes(taking, up.bytes()); !taken.ok()) return taken;
    } else if (up.kind_case() == pb::HomeUp::kUnsent) {
      if (taking.final || taking.order.empty() || taking.order.front() != up.unsent()) {
        return wrong("unsent out of order");
      }
      taking.order.erase(taking.order.begin());
      taking.unsent.push_back(up.unsent());
    }
    listed |= up.kind_case() == pb::HomeUp::kListed;
  }
  if (!listed || !taking.order.empty()) return {grpc::StatusCode::CANCELLED, "broken"};
  const std::lock_guard lock(mutex_);
  Kept& kept = kept_[taking.key];
  ++kept.rounds;
  kept.complete |= taking.final;
  kept.told.clear();
  if (taking.final) kept.files.clear();
  pb::HomeDown down;
  for (size_t i = 0; i < taking.entries.size(); ++i) {
    const pb::HomeEntry& entry = taking.entries[i];
    if (std::ranges::find(taking.unsent, i) != taking.unsent.end()) continue;
    kept.told[entry.path()] = entry;
    if (entry.whiteout() || entry.entry().type() != pb::REGULAR) continue;
    const std::string& body = entry.entry().body();
    const bool is_inline = !body.empty() && body.front() == 0;
    kept.files[entry.path()] = {entry.entry(), body.empty() ? ""
                                               : is_inline  ? body.substr(1)
                                                            : bodies_.at(body)};
  }
  down.mutable_result()->set_files(kept.files.size());
  taking.stream->Write(down);
  return grpc::Status::OK;
}

}  // namespace devrun::home
