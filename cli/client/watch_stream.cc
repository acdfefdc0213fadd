#include "cli/client/watch_stream.h"

#include "cli/client/read_side.h"
#include "cli/client/records_wire.h"
#include "common/wire/sample.h"
#include "devrun/v1/monitor.grpc.pb.h"

namespace devrun::cli {

namespace {

namespace pb = devrun::v1;

template <typename Message>
Result<Message> decoded(const std::string& bytes) {
  Message out;
  if (out.ParseFromString(bytes)) return out;
  return Error{Code::kCorrupt, "the controller sent a row that cannot be read", {}};
}

Result<WatchNews> news_of(const pb::WatchUpdate& in) {
  WatchNews out;
  out.whole = in.whole();
  out.epoch = in.epoch();
  out.sequence = in.sequence();
  out.now = {in.now_us()};
  out.gone.assign(in.gone().begin(), in.gone().end());
  out.gone_nodes.assign(in.gone_nodes().begin(), in.gone_nodes().end());
  for (const std::string& row : in.jobs()) {
    const pb::JobInfo job = TRY(decoded<pb::JobInfo>(row));
    out.jobs.push_back(TRY(from_proto(job)));
  }
  for (const std::string& row : in.nodes()) {
    out.nodes.push_back(from_proto(TRY(decoded<pb::NodeInfo>(row))));
  }
  for (const pb::NodeSample& sample : in.loads()) {
    out.loads.push_back(TRY(wire::from_proto(sample)));
  }
  return out;
}

class GrpcWatchStream : public WatchStream {
 public:
  GrpcWatchStream(const std::shared_ptr<grpc::Channel>& channel, OpenCalls& calls,
                  const Target& target, const WatchWish& wish)
      : stub_(pb::Monitor::NewStub(channel)), side_(calls, target) {
    pb::WatchRequest request;
    request.set_all(wish.all);
    request.set_loads(wish.loads);
    request.set_epoch(wish.epoch);
    request.set_sequence(wish.sequence);
    side_.set_stream(stub_->Watch(side_.context(), request));
  }

  std::optional<WatchNews> read() override {
    return side_.read<WatchNews>([](pb::WatchUpdate&& update) { return news_of(update); });
  }
  Status finish() override { return side_.finish(); }
  void cancel() override { side_.cancel(); }

 private:
  const std::unique_ptr<pb::Monitor::Stub> stub_;
  ReadSide<grpc::ClientReader<pb::WatchUpdate>, pb::WatchUpdate> side_;
};

}  // namespace

std::unique_ptr<WatchStream> Controller::watch(const WatchWish& wish) {
  return std::make_unique<GrpcWatchStream>(connection_->channel, connection_->calls, target_, wish);
}

}  // namespace devrun::cli
