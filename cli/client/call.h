// The gRPC side of Controller, seen only by this folder's sources: channel, stub, errors and the
// Attach call.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "cli/client/controller.h"
#include "devrun/v1/client.grpc.pb.h"

namespace devrun::cli {

// The calls that are under way, so that who leaves need not wait for them. Any thread.
class OpenCalls {
 public:
  // The context of one call, within reach of cancel_all() while this lives.
  class One {
   public:
    explicit One(OpenCalls& calls);
    ~One();
    One(const One&) = delete;
    One& operator=(const One&) = delete;
    grpc::ClientContext context;

   private:
    OpenCalls& calls_;
  };
  // Those that begin later, too.
  void cancel_all();

 private:
  std::mutex mutex_;
  std::set<grpc::ClientContext*> open_;
  bool cancelled_ = false;
};

struct Controller::Connection {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<devrun::v1::Client::Stub> stub;
  OpenCalls calls;

  std::mutex mutex;
  grpc::ClientContext* interruptible = nullptr;  // of the Submit in progress
  bool interrupted = false;
};

std::shared_ptr<grpc::Channel> open_channel(const Target& target);

// The failed call in the words of whoever failed it; a controller that is away gets what to do
// about it.
Error call_error(const grpc::Status& status, const Target& target);

// What is answered from memory is answered within this, or not at all.
inline constexpr std::chrono::seconds kCallLimit{60};

// One question and its answer. Without a limit it may take as long as the connection holds.
template <typename Stub, typename Request, typename Reply>
Result<Reply> unary_call(OpenCalls& calls, Stub& stub, const Target& target,
                         grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                         const Request& request, std::optional<std::chrono::seconds> limit) {
  OpenCalls::One call(calls);
  if (limit) call.context.set_deadline(std::chrono::system_clock::now() + *limit);
  Reply reply;
  const grpc::Status status = (stub.*method)(&call.context, request, &reply);
  if (!status.ok()) return call_error(status, target);
  return reply;
}

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

std::unique_ptr<AttachStream> open_attach(devrun::v1::Client::Stub& stub, OpenCalls& calls,
                                          const Target& target, const AttachStart& start);

}  // namespace devrun::cli
