// A session's call and its connection: the order comes by one connection, the call goes by another, which may be back later.
#include "agent/sync/session.h"

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "tests/unit/agent/sync/temporary_folder.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::agent {
namespace {

namespace pb = devrun::v1;

// Notes the number of each call that comes, and holds it until the other side leaves. The first is hung up when told.
class Controller final : public pb::Agent::Service {
 public:
  explicit Controller(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Controller() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::vector<uint64_t> calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  void hang_up_first() {
    const std::lock_guard lock(mutex_);
    pb::AttachRequest request;
    request.set_hang_up(true);
    first_->Write(request);
  }

  grpc::Status Session(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::AttachRequest, pb::SessionUp>* stream) override {
    pb::SessionUp up;
    while (stream->Read(&up)) {
      const std::lock_guard lock(mutex_);
      if (up.has_call()) calls_.push_back(up.call());
      if (first_ == nullptr) first_ = stream;
    }
    return grpc::Status::OK;
  }

 private:
  std::mutex mutex_;
  std::vector<uint64_t> calls_;
  grpc::ServerReaderWriter<pb::AttachRequest, pb::SessionUp>* first_ = nullptr;
  std::unique_ptr<grpc::Server> server_;
};

struct Harness {
  TemporaryFolder folder;
  const std::string address = "unix:" + folder.path() + "/controller";
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  std::unique_ptr<pb::Agent::Stub> stub = pb::Agent::NewStub(channel);
  Session session{*stub, AttemptKey{.job = 1}, "0123456789abcdef", folder.path()};

  bool is_broken() {
    return channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_TRANSIENT_FAILURE;
  }
};

TEST(SessionTest, ItsCallWaitsForItsConnection) {
  Harness one;
  ASSERT_TRUE(wait_for([&] { return one.is_broken(); }));
  one.session.serve(7, 0);
  Controller controller(one.address);
  EXPECT_TRUE(wait_for([&] { return controller.calls() == std::vector<uint64_t>{7}; }));
}

TEST(SessionTest, AnOrderThatComesTwiceIsOneCall) {
  Harness one;
  Controller controller(one.address);
  one.session.serve(7, 0);
  ASSERT_TRUE(wait_for([&] { return controller.calls().size() == 1; }));
  one.session.serve(7, 0);
  controller.hang_up_first();
  EXPECT_TRUE(wait_for([&] { return one.session.wants_to_hang_up(); }));
  one.session.serve(8, 0);
  EXPECT_TRUE(wait_for([&] { return controller.calls().size() == 2; }));
}

}  // namespace
}  // namespace devrun::agent
