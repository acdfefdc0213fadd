#include "controller/rpc/call_witness.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/base/parse_number.h"
#include "controller/access/rights.h"
#include "controller/rpc/audited_fields.h"
#include "controller/rpc/clock.h"

namespace devrun::controller {

namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

std::optional<Certified> caller_of(const grpc::ServerContextBase& context) {
  const auto auth = context.auth_context();
  return auth ? presented_by(*auth).who : std::nullopt;
}

std::string metadata(const grpc::ServerContextBase& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

// What a call answers with that was refused before it did anything.
bool changed_nothing(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return true;
    default:
      return false;
  }
}

class CallWitness final : public grpc::experimental::Interceptor {
 public:
  CallWitness(WitnessParts parts, const Right& right, ServerRpcInfo& info)
      : parts_(parts), right_(right), context_(info.server_context()) {
    const auto who = caller_of(*context_);
    if (right.changes) begin_entry(who);
    lasts_ = info.type() != ServerRpcInfo::Type::UNARY;
    if (lasts_ && who) hold(*who);
  }

  ~CallWitness() override {
    if (name_) parts_.gate.callers().end(*context_);
  }

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_CANCEL)) {
      return methods->Proceed();
    }
    if (look(*methods) == Verdict::kRevoked) context_->TryCancel();
    methods->Proceed();  // which may end the call, and us
  }

 private:
  enum class Verdict { kGood, kRevoked };
  // A read and the ending may come at once.
  Verdict look(InterceptorBatchMethods& batch) {
    const std::lock_guard lock(mutex_);
    if (batch.QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      take_request(static_cast<const google::protobuf::Message*>(batch.GetRecvMessage()));
    }
    if (batch.QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      write_beginning();
      take_reply(static_cast<const google::protobuf::Message*>(batch.GetSendMessage()));
    }
    if (batch.QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      hold_.reset();  // while the call is sure to live
      end_entry(batch.GetSendStatus());
    }
    // The revocation may have come after the call had been let in, and before it could be found.
    const bool begins =
        batch.QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA);
    const bool is_revoked =
        begins && hold_.is_held() && !parts_.gate.admits(*context_->auth_context());
    return is_revoked ? Verdict::kRevoked : Verdict::kGood;
  }

  // What a node forwards ends with the node's certificate, and with the user whose job it comes from.
  void hold(const Certified& who) {
    std::vector<std::string> whose = {certificate_uri(who)};
    const std::string job = metadata(*context_, "devrun-forwarded-job");
    if (const auto id = parse_number<JobId>(job)) whose.push_back(held_name(*id));
    hold_ = HeldCalls::Hold(parts_.held, std::move(whose), context_);
  }

  void begin_entry(const std::optional<Certified>& who) {
    entry_ = std::make_unique<AuditEntry>();
    entry_->at = clock_now();
    entry_->call = std::string(right_.call);
    entry_->from = context_->peer();
    if (!who) return;
    entry_->who = who->name;
    entry_->role = std::string(role_name(who->role));
    const std::string volume = metadata(*context_, "devrun-forwarded-volume");
    if (who->role != Role::kNode || volume.empty()) return;
    name_ = parts_.gate.callers().begin(*context_);
    entry_->who.clear();
    entry_->role = "container";
    entry_->via = fmt::format("job {} of volume '{}' on {}, uid {}",
                              metadata(*context_, "devrun-forwarded-job"), volume, who->name,
                              metadata(*context_, "devrun-forwarded-uid"));
  }

  // The first is what the call is about. A second one is read only from whom the first has let in.
  void take_request(const google::protobuf::Message* request) {
    if (!entry_ || request == nullptr) return;
    if (has_request_) return write_beginning();
    has_request_ = true;
    entry_->about = audited_fields(*request);
    const auto writes = [](const auto& field) { return field.first == "start.write_stdin"; };
    // Who attaches to look on changes nothing.
    if (right_.call == "Attach" && std::ranges::none_of(entry_->about, writes)) entry_.reset();
  }

  // A call that lasts has a line at its beginning, but only once its caller was let in, as a first word to them or a second
  // look at what they say tells: else whoever is refused for ever would push out the lines of what was done.
  void write_beginning() {
    if (!entry_ || !lasts_ || std::exchange(has_begun_, true)) return;
    entry_->begun = true;
    parts_.audit.write(*entry_);
    entry_->begun = false;
  }

  // Of a submission the job's number.
  void take_reply(const google::protobuf::Message* reply) {
    if (!entry_ || reply == nullptr || right_.call != "Submit") return;
    for (auto& field : audited_fields(*reply)) {
      if (field.first == "job") entry_->about.push_back(std::move(field));
    }
  }

  void end_entry(const grpc::Status& status) {
    if (!entry_) return;
    if (name_) entry_->who = name_->get();
    entry_->took = clock_now() - entry_->at;
    if (!status.ok()) {
      entry_->error = status.error_message().empty() ? "failed" : status.error_message();
      entry_->refused = changed_nothing(status.error_code());
    }
    parts_.audit.write(*entry_);
    entry_.reset();
  }

  const WitnessParts parts_;
  const Right& right_;
  grpc::ServerContextBase* const context_;
  std::mutex mutex_;  // guards what follows
  HeldCalls::Hold hold_;
  std::unique_ptr<AuditEntry> entry_;
  std::shared_ptr<CallerName> name_;
  bool has_request_ = false;
  bool has_begun_ = false;
  bool lasts_ = false;
};

class Witnesses final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Witnesses(WitnessParts parts) : parts_(parts) {}

  // None for what agents call, which is the most: nothing is to be done there.
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const Right* right = right_of_path(info->method());
    if (right == nullptr || right->by == kByNode) return nullptr;
    const bool lasts = info->type() != ServerRpcInfo::Type::UNARY;
    if (!right->changes && !lasts) return nullptr;
    return new CallWitness(parts_, *right, *info);
  }

 private:
  const WitnessParts parts_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> call_witnesses(
    WitnessParts parts) {
  return std::make_unique<Witnesses>(parts);
}

}  // namespace devrun::controller
