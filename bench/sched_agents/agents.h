// A thousand agents in one process: each with a certificate and a connection of its own, the real Synchronize and Report
// calls, and nothing behind them. What is desired runs and has ended at once, without output.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/runtime/pki.h"

namespace devrun::bench {

struct Counted {
  std::atomic<uint64_t> connected{0};  // calls that have brought their first message
  std::atomic<uint64_t> ended{0};      // attempts of which the controller has acknowledged the end
  std::atomic<uint64_t> broken{0};     // calls that failed
};

std::shared_ptr<grpc::Channel> dial(const std::string& address, const Pem& authority,
                                    const Pem& own);

class Agent;

class Agents {
 public:
  // Connects them all; they answer until the end of this object.
  static Result<std::unique_ptr<Agents>> start(const std::string& address, const Pem& authority,
                                               uint64_t count);
  ~Agents();
  const Counted& counted() const { return counted_; }

 private:
  Agents();
  Counted counted_;
  std::vector<std::unique_ptr<Agent>> agents_;
};

}  // namespace devrun::bench
