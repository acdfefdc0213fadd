#include "controller/rpc/fill_volume.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "common/runtime/file.h"
#include "common/runtime/pipe.h"
#include "controller/rpc/ask_core.h"
#include "controller/rpc/volume_access.h"
#include "controller/rpc/volume_quota.h"
#include "controller/storage/tree_writer.h"

namespace devrun::controller {

namespace {

constexpr size_t kPiecesMax = 4;
constexpr size_t kPieceBytesMax = 1 << 20;
// Who sends nothing for so long is given up.
constexpr auto kSilenceMax = std::chrono::minutes(10);

}  // namespace

FillVolumeCall* FillVolumeCall::start(Parts parts, Peer peer) {
  auto made = std::make_shared<FillVolumeCall>(parts, std::move(peer));
  made->hold(made);
  made->weak_ = made;
  made->StartRead(&made->request_);
  return made.get();
}

void FillVolumeCall::OnReadDone(bool read) {
  if (!started_) {
    if (!read || !request_.has_start()) {
      return end(Error{Code::kInvalid, "FillVolume begins with its start", {}});
    }
    started_ = true;
    start_ = request_.start();
    return begin();
  }
  const std::lock_guard lock(feed_mutex_);
  reading_ = false;
  if (!read) {
    broken_ = !ended_;
  } else if (request_.end()) {
    ended_ = true;
  } else if (request_.data().size() <= kPieceBytesMax) {
    pieces_.push_back(std::move(*request_.mutable_data()));
    if (pieces_.size() < kPiecesMax) read_next();
  } else {
    broken_ = true;
  }
  fed_.notify_all();
}

void FillVolumeCall::read_next() {
  if (reading_ || ended_ || broken_) return;
  start_if_open([this] {
    reading_ = true;
    StartRead(&request_);
  });
}

void FillVolumeCall::begin() {
  const std::shared_ptr<FillVolumeCall> self = weak_.lock();
  parts_.core.read([self](const State& state, Time) {
    const Result<Who> who = resolve(state, self->peer_);
    if (!who) return self->end(who.error());
    const bool queued = self->parts_.long_work.run([self, who = *who] {
      const auto work = std::make_shared<storage::Work>(
          [self](std::string_view line) {
            pb::Progress words;
            words.set_line(std::string(line));
            self->offer(std::move(words));
          },
          [self](std::string_view line) {
            pb::Progress words;
            words.set_line(std::string(line));
            words.set_passing(true);
            self->offer(std::move(words));
          });
      self->on_leave([work] { work->stop(); });
      const Status done = self->work(who, *work);
      if (done) {
        pb::Progress last;
        last.set_done(true);
        self->offer(std::move(last));
      }
      self->end(done);
    });
    if (!queued) {
      self->end(Error{Code::kExhausted, "too many requests about volumes wait", "try again"});
    }
  });
}

bool FillVolumeCall::feed(int pipe) {
  std::unique_lock lock(feed_mutex_);
  for (;;) {
    if (pieces_.empty()) read_next();
    const bool came =
        fed_.wait_for(lock, kSilenceMax, [this] { return !pieces_.empty() || ended_ || broken_; });
    if (!came) broken_ = true;
    if (pieces_.empty()) return ended_;
    const std::string piece = std::move(pieces_.front());
    pieces_.pop_front();
    read_next();
    lock.unlock();
    const Status wrote = write_all(pipe, piece);
    lock.lock();
    if (!wrote) return false;  // the reader has ended, and says itself why
  }
}

// The archive has come, which may have taken long: a share may have been taken back meanwhile, or the caller be gone.
Status FillVolumeCall::may_add() {
  const Who who = TRY(ask_core(
      parts_.core, [&peer = peer_](const State& state, Time) { return resolve(state, peer); }));
  return check_volume(parts_.storage, who, start_.volume());
}

Status FillVolumeCall::work(const Who& who, storage::Work& work) {
  std::string folder;
  if (!start_.create()) {
    TRY(check_volume(parts_.storage, who, start_.volume()));
    if (!start_.folder().empty()) folder = TRY(storage::path_in_volume(start_.folder()));
  }
  const std::string owner =
      start_.create() ? who.user : TRY(parts_.storage.volume(start_.volume())).owner;
  TRY(start_.create() ? check_new_volume(parts_.quotas, parts_.storage, owner)
                      : parts_.quotas.check_store(parts_.storage, owner));
  Pipe pipe = TRY(make_pipe());
  UniqueFd from = std::move(pipe.read);
  UniqueFd to = std::move(pipe.write);
  bool whole = false;
  std::thread feeder([&] {
    whole = feed(to.get());
    if (!whole) work.stop();  // before the reader can take this end for the archive's
    to.reset();
  });
  const storage::FromArchive archive{from.get()};
  Status done = start_.create()
                    ? parts_.storage.create_volume(
                          {start_.volume(), who.user, archive, start_.quota_bytes()}, work)
                    : parts_.storage.import_archive(
                          start_.volume(), folder, archive, [this] { return may_add(); }, work);
  from.reset();
  if (!done) {
    const std::lock_guard lock(feed_mutex_);
    broken_ = true;
    fed_.notify_all();
  }
  feeder.join();
  return done;
}

}  // namespace devrun::controller
