// Looks at the certificate of every call before the call begins: one that was revoked (enrolment.h), or whose user is no
// more (accounts.h), is refused, whatever it calls. And the calls that last, so that they end when their caller's certificate is revoked.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "controller/access/accounts.h"
#include "controller/rpc/enrolment.h"

namespace devrun::controller {

// For grpc::ServerCredentials::SetAuthMetadataProcessor.
std::shared_ptr<grpc::AuthMetadataProcessor> admission(const Enrolment& enrolment,
                                                       const Accounts& accounts);

// Whether the caller's certificate counts, as it did when the call began.
bool is_admitted(const Enrolment& enrolment, const grpc::AuthContext& context);

// When the caller's certificate says that it was granted.
std::optional<Time> issued_of(const grpc::AuthContext& context);

// Calls that are held open, by who has opened them. Any thread. Outlives the calls.
class HeldCalls {
 public:
  // While it lives, end_all ends the call; it must go before the call's context does (OnDone).
  class Hold {
   public:
    Hold() = default;
    Hold(HeldCalls& calls, std::string who, grpc::ServerContextBase* context);
    Hold(Hold&& other) noexcept { *this = std::move(other); }
    Hold& operator=(Hold&& other) noexcept;
    ~Hold() { reset(); }
    void reset();
    bool is_held() const { return calls_ != nullptr; }

   private:
    HeldCalls* calls_ = nullptr;
    std::string who_;
    grpc::ServerContextBase* context_ = nullptr;
  };

  // `who`: a certificate's URI name. Not from a thread of gRPC's own: what ends may be told there.
  void end_all(const std::string& who);

 private:
  std::mutex mutex_;
  std::map<std::string, std::set<grpc::ServerContextBase*>> calls_;
};

}  // namespace devrun::controller
