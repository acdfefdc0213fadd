#include "cli/client/watch_stream.h"

#include "cli/client/read_side.h"
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
  GrpcWatchStream(pb::Client::Stub& stub, const Target& target, bool all) : side_(target) {
    pb::WatchRequest request;
    request.set_all(all);
    side_.set_stream(stub.Watch(side_.context(), request));
  }

  std::optional<WatchNews> read() override {
    return side_.read<WatchNews>([](pb::WatchUpdate&& update) { return news_of(update); });
  }
  Status finish() override { return side_.finish(); }
  void cancel() override { side_.cancel(); }

 private:
  ReadSide<grpc::ClientReader<pb::WatchUpdate>, pb::WatchUpdate> side_;
};

}  // namespace

std::unique_ptr<WatchStream> Controller::watch(bool all) {
  return std::make_unique<GrpcWatchStream>(*connection_->stub, target_, all);
}

}  // namespace devrun::cli
