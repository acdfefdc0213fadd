// The gRPC side of Controller, seen only by this folder's sources: channel, stub, errors and the
// Attach call.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <mutex>

#include "cli/client/controller.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::cli {

struct Controller::Connection {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<devrun::v1::Client::Stub> stub;

  std::mutex mutex;
  grpc::ClientContext* interruptible = nullptr;  // of the Submit in progress
  bool interrupted = false;
};

std::shared_ptr<grpc::Channel> open_channel(const Target& target);

// The failed call in the words of whoever failed it; a controller that is away gets what to do
// about it.
Error call_error(const grpc::Status& status, const Target& target);

// Tells the words on the way; the last message.
template <typename Stream>
devrun::v1::Progress read_progress(Stream& stream, const ProgressWords& words) {
  devrun::v1::Progress last;
  devrun::v1::Progress progress;
  while (stream.Read(&progress)) {
    if (progress.done()) last = progress;
    if (progress.line().empty() || !words) continue;
    words({progress.line(), progress.passing(), progress.amount_done(), progress.amount_total(),
           progress.amount_unit() == devrun::v1::AMOUNT_UNIT_BYTES});
  }
  return last;
}

std::unique_ptr<AttachStream> open_attach(devrun::v1::Client::Stub& stub, const Target& target,
                                          const AttachStart& start);

}  // namespace devrun::cli
