#include "agent/sync/sessions.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/wire/error.h"
#include "common/wire/job.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {

constexpr Duration kTickEvery = milliseconds(500);
constexpr Duration kLookEvery = milliseconds(10);
constexpr size_t kIdBytesMin = 16, kIdBytesMax = 64;

void add(Duration& to, Duration more) {
  to.us += more.us;
}

bool is_good_id(const std::string& id) {
  return id.size() >= kIdBytesMin && id.size() <= kIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

// A call that says no.
class Sessions::Refusal final : public grpc::ClientBidiReactor<pb::SessionUp, pb::AttachRequest> {
 public:
  Refusal(pb::Agent::Stub& stub, uint64_t call, const Error& error) {
    first_.set_call(call);
    *last_.mutable_refused() = wire::to_proto(error);
    context_.set_wait_for_ready(true);
    stub.async()->Session(&context_, this);
    StartWrite(&first_);
    StartCall();
  }
  ~Refusal() override {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_; });
  }
  bool done() {
    const std::lock_guard lock(mutex_);
    return done_;
  }

 private:
  void OnWriteDone(bool ok) override {
    if (!ok || said_) return;
    said_ = true;
    StartWriteLast(&last_, grpc::WriteOptions());
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }

  grpc::ClientContext context_;
  pb::SessionUp first_, last_;
  bool said_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
};

Sessions::Sessions(pb::Agent::Stub& stub, sandbox::Sandboxes& sandboxes, ConnectShim connect)
    : stub_(stub), sandboxes_(sandboxes), connect_(std::move(connect)) {}

Sessions::~Sessions() {
  stop();
}

void Sessions::stop() {
  loop_.stop();
  sessions_.clear();
  refusals_.clear();
}

void Sessions::begin() {
  const auto found = sandboxes_.find_sessions();
  if (!found) log::warning("looking for sessions: {}", found.error().message);
  if (found) {
    for (const sandbox::FoundSession& one : *found) keep(one.key, one.id);
  }
  loop_.post_after(kTickEvery, [this] { tick(); });
  loop_.start();
}

void Sessions::serve(const pb::SessionOrder& order) {
  loop_.post([this, order] {
    const Result<AttemptKey> key = wire::from_proto(order.key());
    const Status opened = key ? open(*key, order) : Status(key.error());
    if (!opened) refuse(order.call(), opened.error());
  });
}

Status Sessions::open(const AttemptKey& key, const pb::SessionOrder& order) {
  const std::string& id = order.session().id();
  if (!is_good_id(id)) return Error{Code::kInvalid, "a session's id is 16 to 64 of [a-z0-9-]", {}};
  if (sessions_.count({key, id}) == 0 && order.session().has_program()) {
    const sandbox::SessionSpec spec{id, wire::from_proto(order.session().program()),
                                    order.session().env()};
    const Status started = sandboxes_.start_session(key, spec);
    if (!started && started.error().code != Code::kExists) {
      log::warning("{}: a session: {}", to_string(key), started.error().message);
      return started;
    }
    keep(key, id);
  }
  const auto it = sessions_.find({key, id});
  if (it == sessions_.end()) {
    return Error{Code::kNotFound,
                 "the session is over: nobody came back to it in time, or its job has ended",
                 "devrun ps"};
  }
  if (order.only_uid() && TRY(sandboxes_.find_session(key, id)).uid != order.uid()) {
    return Error{Code::kDenied, "the session is another user's", {}};
  }
  it->second.alone = {};
  it->second.session->serve(order.call(), order.output_from());
  return ok();
}

void Sessions::keep(const AttemptKey& key, const std::string& id) {
  Kept& kept = sessions_[{key, id}];
  if (kept.session) return;
  kept.session = std::make_unique<Session>(stub_, key, id, sandboxes_.session_folder(key, id));
  link(*kept.session);
}

void Sessions::link(Session& session) {
  shim::Handlers handlers = session.handlers();
  handlers.gone = [this, name = Name{session.key(), session.id()}] {
    loop_.post([this, name] { on_gone(name); });
  };
  auto linked = connect_(session.folder(), std::move(handlers));
  if (linked) {
    session.set_link(std::move(*linked));
  } else {
    on_gone({session.key(), session.id()});
  }
}

// Its end is in the exit record, unless the shim was killed.
void Sessions::on_gone(const Name& name) {
  const auto it = sessions_.find(name);
  if (it == sessions_.end()) return;
  Session& session = *it->second.session;
  session.set_link(nullptr);
  if (session.ended()) return;
  const auto found = sandboxes_.find_session(name.first, name.second);
  if (found && found->ending) {
    session.end_with(*found->ending, found->output_bytes);
  } else {
    session.end_with({EndCause::kLost, 125, "nothing is known of the session any more", {}}, 0);
  }
}

void Sessions::refuse(uint64_t call, const Error& error) {
  refusals_.push_back(std::make_unique<Refusal>(stub_, call, error));
}

void Sessions::tick() {
  std::erase_if(refusals_, [](const auto& refusal) { return refusal->done(); });
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = is_over(it->first, it->second) ? sessions_.erase(it) : std::next(it);
  }
  loop_.post_after(kTickEvery, [this] { tick(); });
}

bool Sessions::is_over(const Name& name, Kept& kept) {
  Session& session = *kept.session;
  if (session.is_served()) {
    kept.alone = {};
    if (!session.wants_to_hang_up()) return false;
  }
  if (connected_) add(kept.alone, kTickEvery);
  if (session.ended()) {
    if (kept.alone < kEndedSessionKept) return false;
    const Status removed = sandboxes_.remove_session(name.first, name.second);
    if (!removed) log::warning("{}: a session: {}", to_string(name.first), removed.error().message);
    return removed.has_value();
  }
  if (kept.hung_up) {
    add(kept.hung_up_since, kTickEvery);
    if (kept.hung_up_since >= kHangUpGrace && !kept.killed) {
      kept.killed = true;
      session.kill();
    }
  } else if (session.wants_to_hang_up() || kept.alone >= kSessionAloneMax) {
    log::info("{}: hanging up a session that its caller has left", to_string(name.first));
    kept.hung_up = true;
    session.hang_up();
  }
  return false;
}

void Sessions::end(const AttemptKey& key, std::function<void()> done) {
  loop_.post([this, key, done = std::move(done)] { end_when_heard(key, {}, done); });
}

void Sessions::end_when_heard(const AttemptKey& key, Duration waited,
                              const std::function<void()>& done) {
  const bool heard = std::all_of(sessions_.begin(), sessions_.end(), [&](auto& entry) {
    Session& session = *entry.second.session;
    return entry.first.first != key || (session.ended() && !session.is_served());
  });
  if (!heard && waited < kSessionsEndPatience) {
    add(waited, kLookEvery);
    loop_.post_after(kLookEvery, [this, key, waited, done] { end_when_heard(key, waited, done); });
    return;
  }
  std::erase_if(sessions_, [&](const auto& entry) { return entry.first.first == key; });
  done();
}

}  // namespace devrun::agent
