// On whose behalf a call is made, for who writes it down when it ends (call_witness.h): what a node forwards says only which
// job it comes from, and whose that is the core knows. What the node itself says of the user is believed nowhere. Any
// thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace devrun::controller {

class CallerName {
 public:
  void set(const std::string& user) {
    const std::lock_guard lock(mutex_);
    user_ = user;
  }
  // Empty: nobody has found out.
  std::string get() const {
    const std::lock_guard lock(mutex_);
    return user_;
  }

 private:
  mutable std::mutex mutex_;
  std::string user_;
};

class CallerNames {
 public:
  // From here until `end` the call's name can be told.
  std::shared_ptr<CallerName> begin(const grpc::ServerContextBase& call) {
    const std::lock_guard lock(mutex_);
    return calls_[&call] = std::make_shared<CallerName>();
  }
  void end(const grpc::ServerContextBase& call) {
    const std::lock_guard lock(mutex_);
    calls_.erase(&call);
  }
  // Null: nobody wants to know.
  std::shared_ptr<CallerName> of(const grpc::ServerContextBase& call) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(&call);
    return found == calls_.end() ? nullptr : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const grpc::ServerContextBase*, std::shared_ptr<CallerName>> calls_;
};

}  // namespace devrun::controller
