#include "controller/rpc/admission.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace devrun::controller {

namespace {

struct Said {
  std::optional<Certified> who;
  std::optional<Time> issued;
};
Said read(const grpc::AuthContext& context) {
  Said out;
  for (const grpc::string_ref& uri : context.FindPropertyValues("peer_uri")) {
    const std::string_view text(uri.data(), uri.size());
    if (!out.who) out.who = parse_certificate_uri(text);
    if (!out.issued) out.issued = parse_issued_uri(text);
  }
  return out;
}

class Admission final : public grpc::AuthMetadataProcessor {
 public:
  Admission(const Enrolment& enrolment, const Accounts& accounts)
      : enrolment_(enrolment), accounts_(accounts) {}

  // Looks into maps.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata&, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    const Said said = read(*context);
    // Whoever says no name is refused by the call itself.
    if (!said.who) return grpc::Status::OK;
    if (!accounts_.knows(*said.who)) {
      return {grpc::StatusCode::PERMISSION_DENIED,
              fmt::format("there is no {} '{}' in this cluster", role_name(said.who->role),
                          said.who->name)};
    }
    if (enrolment_.admits(*said.who, said.issued)) return grpc::Status::OK;
    return {grpc::StatusCode::PERMISSION_DENIED,
            fmt::format("the certificate of {} '{}' is revoked", role_name(said.who->role),
                        said.who->name)};
  }

 private:
  const Enrolment& enrolment_;
  const Accounts& accounts_;
};

}  // namespace

std::shared_ptr<grpc::AuthMetadataProcessor> admission(const Enrolment& enrolment,
                                                       const Accounts& accounts) {
  return std::make_shared<Admission>(enrolment, accounts);
}

bool is_admitted(const Enrolment& enrolment, const grpc::AuthContext& context) {
  const Said said = read(context);
  return said.who && enrolment.admits(*said.who, said.issued);
}

std::optional<Time> issued_of(const grpc::AuthContext& context) {
  return read(context).issued;
}

HeldCalls::Hold::Hold(HeldCalls& calls, std::string who, grpc::ServerContextBase* context)
    : calls_(&calls), who_(std::move(who)), context_(context) {
  const std::lock_guard lock(calls.mutex_);
  calls.calls_[who_].insert(context);
}

HeldCalls::Hold& HeldCalls::Hold::operator=(Hold&& other) noexcept {
  reset();
  calls_ = std::exchange(other.calls_, nullptr);
  who_ = std::move(other.who_);
  context_ = std::exchange(other.context_, nullptr);
  return *this;
}

void HeldCalls::Hold::reset() {
  HeldCalls* const calls = std::exchange(calls_, nullptr);
  if (calls == nullptr) return;
  const std::lock_guard lock(calls->mutex_);
  const auto found = calls->calls_.find(who_);
  found->second.erase(context_);
  if (found->second.empty()) calls->calls_.erase(found);
}

void HeldCalls::end_all(const std::string& who) {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(who);
  if (found == calls_.end()) return;
  for (const grpc::ServerContextBase* context : found->second) context->TryCancel();
}

}  // namespace devrun::controller
