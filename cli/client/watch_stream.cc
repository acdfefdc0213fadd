#include "cli/client/watch_stream.h"

#include "cli/client/call.h"
#include "cli/client/records_wire.h"

namespace devrun::cli {

namespace {

namespace pb = devrun::v1;

Result<WatchNews> news_of(const pb::WatchUpdate& in) {
  WatchNews out;
  out.whole = in.whole();
  out.now = {in.now_us()};
  for (const pb::JobInfo& job : in.jobs()) out.jobs.push_back(TRY(from_proto(job)));
  for (const pb::NodeInfo& node : in.nodes()) out.nodes.push_back(from_proto(node));
  return out;
}

class GrpcWatchStream : public WatchStream {
 public:
  GrpcWatchStream(pb::Client::Stub& stub, const Target& target, bool all) : target_(target) {
    pb::WatchRequest request;
    request.set_all(all);
    stream_ = stub.Watch(&context_, request);
  }

  std::optional<WatchNews> read() override {
    pb::WatchUpdate update;
    if (failure_ || !stream_->Read(&update)) return std::nullopt;
    auto news = news_of(update);
    if (news) return std::move(*news);
    failure_ = std::move(news).error();
    context_.TryCancel();
    return std::nullopt;
  }

  Status finish() override {
    const grpc::Status status = stream_->Finish();
    if (failure_) return *failure_;
    if (status.ok()) return ok();
    return call_error(status, target_);
  }

  void cancel() override { context_.TryCancel(); }

 private:
  const Target& target_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<pb::WatchUpdate>> stream_;
  std::optional<Error> failure_;  // an update that cannot be understood
};

}  // namespace

std::unique_ptr<WatchStream> Controller::watch(bool all) {
  return std::make_unique<GrpcWatchStream>(*connection_->stub, target_, all);
}

}  // namespace devrun::cli
