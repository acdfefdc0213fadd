// Looks at the certificate of every call before the call begins (gate.h): one that does not count any more is refused,
// whatever it calls. And the calls that last, so that they end when their caller's certificate is revoked.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/model/ids.h"
#include "controller/rpc/gate.h"

namespace devrun::controller {

// For grpc::ServerCredentials::SetAuthMetadataProcessor.
std::shared_ptr<grpc::AuthMetadataProcessor> admission(const Gate& gate);

// Calls that are held open, by on whose behalf: a certificate's URI name, or the job in whose container the caller is.
// Any thread. Outlives the calls.
class HeldCalls {
 public:
  // While it lives, end_all ends the call; it must go before the call's context does (OnDone).
  class Hold {
   public:
    Hold() = default;
    Hold(HeldCalls& calls, std::vector<std::string> whose, grpc::ServerContextBase* context);
    Hold(Hold&& other) noexcept { *this = std::move(other); }
    Hold& operator=(Hold&& other) noexcept;
    ~Hold() { reset(); }
    void reset();
    bool is_held() const { return calls_ != nullptr; }

   private:
    HeldCalls* calls_ = nullptr;
    std::vector<std::string> whose_;
    grpc::ServerContextBase* context_ = nullptr;
  };

  // Not from a thread of gRPC's own: what ends may be told there.
  void end_all(const std::string& whose);

 private:
  std::mutex mutex_;
  std::map<std::string, std::set<grpc::ServerContextBase*>> calls_;
};

// As HeldCalls knows the callers in a job's containers.
std::string held_name(JobId job);

}  // namespace devrun::controller
