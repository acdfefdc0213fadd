#include "controller/rpc/admission.h"

#include <fmt/format.h>

#include <utility>

namespace devrun::controller {

namespace {

class Admission final : public grpc::AuthMetadataProcessor {
 public:
  explicit Admission(const Gate& gate) : gate_(gate) {}

  // Looks into maps.
  bool IsBlocking() const override { return false; }

  grpc::Status Process(const InputMetadata&, grpc::AuthContext* context, OutputMetadata*,
                       OutputMetadata*) override {
    const Presented said = presented_by(*context);
    // Whoever says no name is refused by the call itself.
    if (!said.who) return grpc::Status::OK;
    const Status admitted = gate_.admits(*said.who, said.issued);
    if (admitted) return grpc::Status::OK;
    return {grpc::StatusCode::PERMISSION_DENIED, admitted.error().message};
  }

 private:
  const Gate& gate_;
};

}  // namespace

std::shared_ptr<grpc::AuthMetadataProcessor> admission(const Gate& gate) {
  return std::make_shared<Admission>(gate);
}

std::string held_name(JobId job) {
  return fmt::format("job:{}", job);
}

HeldCalls::Hold::Hold(HeldCalls& calls, std::vector<std::string> whose,
                      grpc::ServerContextBase* context)
    : calls_(&calls), whose_(std::move(whose)), context_(context) {
  const std::lock_guard lock(calls.mutex_);
  for (const std::string& one : whose_) calls.calls_[one].insert(context);
}

HeldCalls::Hold& HeldCalls::Hold::operator=(Hold&& other) noexcept {
  reset();
  calls_ = std::exchange(other.calls_, nullptr);
  whose_ = std::move(other.whose_);
  context_ = std::exchange(other.context_, nullptr);
  return *this;
}

void HeldCalls::Hold::reset() {
  HeldCalls* const calls = std::exchange(calls_, nullptr);
  if (calls == nullptr) return;
  const std::lock_guard lock(calls->mutex_);
  for (const std::string& one : whose_) {
    const auto found = calls->calls_.find(one);
    found->second.erase(context_);
    if (found->second.empty()) calls->calls_.erase(found);
  }
}

void HeldCalls::end_all(const std::string& whose) {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(whose);
  if (found == calls_.end()) return;
  for (const grpc::ServerContextBase* context : found->second) context->TryCancel();
}

}  // namespace devrun::controller
