// What the calls that the controller answers by a stream have in common: reading until there is no more or something is
// not understood, and saying why it was over. One thread reads, cancel() from any.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>

#include "cli/client/call.h"

namespace devrun::cli {

// `Stream`: grpc::ClientReader or grpc::ClientReaderWriter of `Reply`, opened with context().
template <typename Stream, typename Reply>
class ReadSide {
 public:
  ReadSide(OpenCalls& calls, const Target& target) : target_(target), call_(calls) {}

  grpc::ClientContext* context() { return &call_.context; }
  void set_stream(std::unique_ptr<Stream> stream) { stream_ = std::move(stream); }
  Stream& stream() { return *stream_; }

  // The next reply as `translate` (Reply&& → Result<News>) gives it; nothing when the call is over.
  template <typename News, typename Translate>
  std::optional<News> read(Translate translate) {
    Reply reply;
    if (failure_ || !stream_->Read(&reply)) return std::nullopt;
    Result<News> news = translate(std::move(reply));
    if (news) return std::move(*news);
    failure_ = std::move(news).error();
    call_.context.TryCancel();
    return std::nullopt;
  }

  Status finish() {
    const grpc::Status status = stream_->Finish();
    if (failure_) return *failure_;
    if (status.ok()) return ok();
    return call_error(status, target_);
  }

  void cancel() { call_.context.TryCancel(); }

 private:
  const Target& target_;
  OpenCalls::One call_;
  std::unique_ptr<Stream> stream_;
  std::optional<Error> failure_;  // a reply that cannot be understood
};

}  // namespace devrun::cli
