// One round of storing what an attempt wrote, over gRPC (proto/devrun/v1/agent.proto, BringHome): tells the entries of its upper,
// names the bodies of files, sends the bytes that the controller asks for, and returns what became of it.
//
// Three threads for the time of a call: this one writes; one reads what the controller says; one opens files and reads blocks ahead
// of the writing. Files of kUnnamedBytesMin and more are told without a body and so are read once, while they are sent. Holes of a
// chunk or more are told by their length.
//
//   reader ─▶ entries ─▶ Write … listed            blocks ─▶ Write …
//                           Read: wanted ─▶ queue ─▶ files ─┘        Read: result
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/home/sent_files.h"
#include "agent/home/upper_reader.h"
#include "common/base/result.h"
#include "common/model/ids.h"
#include "common/model/job.h"

namespace devrun::home {

inline constexpr uint64_t kUnnamedBytesMin = 64 << 20;

struct Round {
  AttemptKey key;
  bool final = false;
  UpperReader& reader;     // not yet read from
  SentFiles& sent;         // both read and added to
  std::string reads = {};  // of a setup step, encode_reads; empty: nothing to tell
  bool failed = false;     // with `reads`: of one that failed
};

class HomeCall {
 public:
  explicit HomeCall(std::shared_ptr<grpc::Channel> controller)
      : controller_(std::move(controller)) {}

  // None: there was nothing to tell, and no call. Blocking; once. Errors: kUnavailable, kTimeout or kCancelled: the call broke,
  // to be made again; kConflict: a file is not what was told of it, to be made again; kExhausted: store or quota is full;
  // kNotFound: nobody wants it any more; others: as the controller says.
  Result<std::optional<HomeSummary>> run(const Round& round);

  // Any thread, also before run(): it ends soon, with kCancelled.
  void cancel();

 private:
  class Sending;

  const std::shared_ptr<grpc::Channel> controller_;
  std::mutex mutex_;
  bool cancelled_ = false;
  grpc::ClientContext* context_ = nullptr;  // of the call under way
};

}  // namespace devrun::home
