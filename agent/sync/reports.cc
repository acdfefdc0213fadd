#include "agent/sync/reports.h"

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/runtime/boot_clock.h"
#include "common/wire/attempt.h"
#include "common/wire/error.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr auto kAnswerWithin = std::chrono::seconds(15);
constexpr Duration kRefusedAgainAfter = seconds(60);

// The same news would be refused again, whenever they are told. One attempt's alone are never too large.
bool is_refusal(grpc::StatusCode code, size_t attempts) {
  return code == grpc::StatusCode::INVALID_ARGUMENT || code == grpc::StatusCode::INTERNAL ||
         code == grpc::StatusCode::OUT_OF_RANGE ||
         (code == grpc::StatusCode::RESOURCE_EXHAUSTED && attempts > 1);
}

// What the controller must know of an attempt, without what people may want to read of it.
ObservedAttempt bare(const ObservedAttempt& full) {
  ObservedAttempt out;
  out.key = full.key;
  out.phase = full.phase;
  out.output_bytes = full.output_bytes;
  out.setup_done = full.setup_done;
  if (full.ending) {
    out.ending = Ending{full.ending->cause,
                        full.ending->status,
                        "the controller would not take its node's words about its end",
                        {}};
  }
  return out;
}
}  // namespace

struct Reports::Call {
  Time sent;
  grpc::ClientContext context;
  pb::ReportRequest request;
  pb::ReportReply reply;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;

  ~Call() {
    context.TryCancel();
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return done; });
  }
};

Reports::Reports(pb::Agent::Stub& stub, Loop& loop, uint32_t seed, std::string node,
                 std::string instance, std::function<void(Time)> answered)
    : stub_(stub),
      loop_(loop),
      backoff_(seed),
      node_(std::move(node)),
      instance_(std::move(instance)),
      answered_(std::move(answered)) {}

Reports::~Reports() = default;

void Reports::tell(const ObservedAttempt& observed) {
  pending_[observed.key] = observed;
  if (!call_ && !pausing_) send();
}

void Reports::tell_trouble(const std::string& trouble) {
  trouble_pending_ = trouble;
  if (!call_ && !pausing_) send();
}

void Reports::tell_files(const Counts& files) {
  files_pending_ = files;
  if (!call_ && !pausing_) send();
}

void put_counts(const Counts& counts, pb::NodeCondition& out) {
  for (const auto& [name, value] : counts) {
    pb::NamedCount& count = *out.add_files();
    count.set_name(name);
    count.set_value(value);
  }
}

void Reports::sign_of_life() {
  if (!call_ && !pausing_) send();
}

void Reports::try_now() {
  backoff_.reset();
  pausing_ = false;
  if (!call_ && has_news()) send();
}

void Reports::send() {
  call_ = std::make_unique<Call>();
  Call& call = *call_;
  call.context.set_wait_for_ready(true);
  call.context.set_deadline(std::chrono::system_clock::now() + kAnswerWithin);
  call.request.set_node(node_);
  call.request.set_instance(instance_);
  call.sent = boot_clock();
  for (auto it = pending_.begin(); it != pending_.end() && sent_.size() < at_once_max_;) {
    *call.request.add_observed() = wire::to_proto(it->second);
    sent_.insert(pending_.extract(it++));
  }
  if (trouble_pending_) call.request.mutable_condition()->set_trouble(in_utf8(*trouble_pending_));
  if (files_pending_) {
    put_counts(*files_pending_, *call.request.mutable_condition());
    call.request.mutable_condition()->set_only_files(!trouble_pending_);
    files_pending_.reset();
  }
  trouble_sent_ = std::exchange(trouble_pending_, std::nullopt);
  stub_.async()->Report(&call.context, &call.request, &call.reply,
                        [this, &call](const grpc::Status& status) {
                          const std::lock_guard lock(call.mutex);
                          call.done = true;
                          loop_.post([this, status] { on_answer(status); });
                          call.changed.notify_all();
                        });
}

void Reports::on_answer(const grpc::Status& status) {
  const Time sent = call_->sent;
  call_.reset();
  if (status.ok()) {
    backoff_.reset();
    at_once_max_ = std::min(at_once_max_ * 2, kAttemptsAtOnceMax);
    sent_.clear();
    trouble_sent_.reset();
    if (answered_) answered_(sent);
    if (has_news() && !call_) send();
    return;
  }
  if (!sent_.empty() && is_refusal(status.error_code(), sent_.size())) return on_refusal(status);
  const Error error = wire::error_of_call(static_cast<int>(status.error_code()),
                                          status.error_message(), status.error_details());
  log::warning("news of {} attempts are not answered: {}", sent_.size(), error.message);
  keep_unanswered();
  pausing_ = true;
  const uint64_t number = ++pause_number_;
  loop_.post_after(backoff_.next(), [this, number] {
    if (!pausing_ || number != pause_number_) return;
    pausing_ = false;
    if (!call_ && has_news()) send();
  });
}

void Reports::keep_unanswered() {
  pending_.merge(sent_);  // newer ones stay
  sent_.clear();
  if (!trouble_pending_) trouble_pending_ = std::move(trouble_sent_);
  trouble_sent_.reset();
}

// Fewer at once, down to the one that it is about: that one is told again without its words, and then not for a while.
void Reports::on_refusal(const grpc::Status& status) {
  const size_t told = sent_.size();
  if (told == 1) {
    const auto& [key, observed] = *sent_.begin();
    ObservedAttempt plain = bare(observed);
    log::error("{}: the controller refuses its news: {}{}", to_string(key), status.error_message(),
               plain == observed ? "; they are told again later" : "");
    if (plain == observed) {
      refused_.merge(sent_);
      sent_.clear();
      tell_refused_again_later();
    } else {
      sent_.begin()->second = std::move(plain);
    }
  }
  keep_unanswered();
  at_once_max_ = std::max<size_t>(told / 2, 1);
  if (has_news()) send();
}

void Reports::tell_refused_again_later() {
  loop_.post_after(kRefusedAgainAfter, [this] {
    pending_.merge(refused_);  // newer ones stay
    refused_.clear();
    if (!call_ && !pausing_ && has_news()) send();
  });
}

}  // namespace devrun::agent
