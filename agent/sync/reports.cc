#include "agent/sync/reports.h"

#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/wire/attempt.h"
#include "common/wire/error.h"

namespace devrun::agent {

namespace pb = devrun::v1;

namespace {
constexpr auto kAnswerWithin = std::chrono::seconds(15);
}

struct Reports::Call {
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
                 std::string instance)
    : stub_(stub),
      loop_(loop),
      backoff_(seed),
      node_(std::move(node)),
      instance_(std::move(instance)) {}

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
  for (const auto& [key, observed] : pending_) {
    *call.request.add_observed() = wire::to_proto(observed);
  }
  if (trouble_pending_) call.request.mutable_condition()->set_trouble(in_utf8(*trouble_pending_));
  if (files_pending_) {
    put_counts(*files_pending_, *call.request.mutable_condition());
    call.request.mutable_condition()->set_only_files(!trouble_pending_);
    files_pending_.reset();
  }
  sent_ = std::move(pending_);
  pending_.clear();
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
  call_.reset();
  if (status.ok()) {
    backoff_.reset();
    sent_.clear();
    trouble_sent_.reset();
    if (has_news()) send();
    return;
  }
  const Error error = wire::error_of_call(static_cast<int>(status.error_code()),
                                          status.error_message(), status.error_details());
  log::warning("news of {} attempts are not answered: {}", sent_.size(), error.message);
  pending_.merge(sent_);  // newer ones stay
  sent_.clear();
  if (!trouble_pending_) trouble_pending_ = std::move(trouble_sent_);
  trouble_sent_.reset();
  pausing_ = true;
  const uint64_t number = ++pause_number_;
  loop_.post_after(backoff_.next(), [this, number] {
    if (!pausing_ || number != pause_number_) return;
    pausing_ = false;
    if (!call_ && has_news()) send();
  });
}

}  // namespace devrun::agent
