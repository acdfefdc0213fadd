// The agent's channels to the controller. Four, each with its own connection: a report must not queue behind the
// megabytes of a job's output or of its files, nor a keystroke behind somebody's download through the gateway.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

namespace devrun::agent {

struct Channels {
  std::shared_ptr<grpc::Channel> control;  // Synchronize and Report
  std::shared_ptr<grpc::Channel> streams;
  std::shared_ptr<grpc::Channel> gateway;
  std::shared_ptr<grpc::Channel> home;  // BringHome
};

// Starts connecting at once and stays connected: the first call finds them warm.
Channels make_channels(const std::string& controller,
                       const std::shared_ptr<grpc::ChannelCredentials>& credentials);

}  // namespace devrun::agent
