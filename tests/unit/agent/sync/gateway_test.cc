// A program of a container, the gateway, and a real Client service behind it.
#include "agent/sync/gateway.h"

#include <fcntl.h>
#include <grpcpp/create_channel_posix.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>

#include "agent/sync/channel.h"
#include "common/runtime/file.h"
#include "common/runtime/unix_socket.h"
#include "common/wire/error.h"
#include "devrun/v1/agent.grpc.pb.h"
#include "devrun/v1/client.grpc.pb.h"
#include "tests/unit/agent/sync/temporary_folder.h"
#include "tests/unit/agent/sync/wait_for.h"

namespace devrun::agent {
namespace {

namespace pb = devrun::v1;

constexpr uint64_t kHanging = 99;

std::string metadata(const grpc::ServerContext& context, const std::string& name) {
  std::string all;
  const auto [first, last] = context.client_metadata().equal_range(name);
  for (auto it = first; it != last; ++it)
    all += "[" + std::string(it->second.data(), it->second.size()) + "]";
  return all;
}

std::string own_groups() {
  std::vector<gid_t> groups(256);
  groups.resize(static_cast<size_t>(::getgroups(256, groups.data())));
  return fmt::format("{}", fmt::join(groups, ","));
}

class ClientService final : public pb::Client::Service {
 public:
  std::atomic<bool> cancelled = false;
  std::atomic<int> logs_sent = 0;

  grpc::Status Hello(grpc::ServerContext* context, const pb::ClientHello*,
                     pb::ControllerHello* reply) override {
    for (const char* name : {"volume", "user", "job", "uid", "gid", "groups"}) {
      reply->add_features(metadata(*context, std::string("devrun-forwarded-") + name));
    }
    reply->set_version(metadata(*context, "x-mine"));
    const auto left = context->deadline() - std::chrono::system_clock::now();
    reply->set_job(
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(left).count()));
    context->AddTrailingMetadata("x-theirs", "hello");
    return grpc::Status::OK;
  }
  grpc::Status Submit(grpc::ServerContext*, const pb::SubmitRequest*, pb::SubmitReply*) override {
    return {grpc::StatusCode::NOT_FOUND, "no such volume",
            wire::error_details({Code::kNotFound, "no such volume: x", "devrun volume ls"})};
  }
  // Says back what it hears; a half-close is answered with the count.
  grpc::Status Attach(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>* stream) override {
    pb::AttachRequest request;
    uint64_t heard = 0;
    while (stream->Read(&request)) {
      heard += request.stdin().data().size();
      pb::AttachReply reply;
      reply.mutable_output()->set_data(request.stdin().data());
      stream->Write(reply);
    }
    pb::AttachReply reply;
    reply.set_stdin_taken(heard);
    stream->Write(reply);
    return grpc::Status::OK;
  }
  grpc::Status ReadLog(grpc::ServerContext* context, const pb::ReadLogRequest* request,
                       grpc::ServerWriter<pb::LogChunk>* writer) override {
    pb::LogChunk chunk;
    chunk.mutable_output()->set_data(std::string(100'000, 'x'));
    if (request->job() == kHanging) {
      writer->Write(chunk);
      while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      cancelled = true;
      return grpc::Status::CANCELLED;
    }
    for (uint64_t i = 0; i < request->offset(); ++i) {
      if (!writer->Write(chunk)) return grpc::Status::CANCELLED;
      ++logs_sent;
    }
    return grpc::Status::OK;
  }
};

// '#' begins a fragment in gRPC's target.
std::shared_ptr<grpc::Channel> dial(std::string socket) {
  socket.replace(socket.find('#'), 1, "%23");
  return grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials());
}

class GatewayTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    controller_ = builder.BuildAndStart();
    const std::string address = "127.0.0.1:" + std::to_string(port_);
    gateway_ = std::move(
        *Gateway::open(folder_.path() + "/sockets",
                       make_channels(address, grpc::InsecureChannelCredentials()).gateway));
    socket_ = *gateway_->serve({.job = 7}, {"ada-dev", "ada", 7});
    stub_ = connect(socket_);
  }
  static std::unique_ptr<pb::Client::Stub> connect(const std::string& socket) {
    return pb::Client::NewStub(dial(socket));
  }

  TemporaryFolder folder_;
  ClientService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> controller_;
  std::unique_ptr<Gateway> gateway_;
  std::string socket_;
  std::unique_ptr<pb::Client::Stub> stub_;
};

TEST_F(GatewayTest, SaysWhoCallsAndBelievesNobodyElse) {
  grpc::ClientContext context;
  context.AddMetadata("devrun-forwarded-user", "root");
  context.AddMetadata("x-mine", "kept");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(100));
  pb::ControllerHello reply;
  const grpc::Status status = stub_->Hello(&context, {}, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const std::vector<std::string> said(reply.features().begin(), reply.features().end());
  const std::vector<std::string> expected = {"[ada-dev]",
                                             "[ada]",
                                             "[7]",
                                             "[" + std::to_string(getuid()) + "]",
                                             "[" + std::to_string(getgid()) + "]",
                                             "[" + own_groups() + "]"};
  EXPECT_EQ(said, expected);
  EXPECT_EQ(reply.version(), "[kept]");
  EXPECT_GE(reply.job(), 90u);   // seconds left
  EXPECT_LE(reply.job(), 101u);  // a header carries it rounded up
  EXPECT_EQ(context.GetServerTrailingMetadata().count("x-theirs"), 1u);
}

TEST_F(GatewayTest, EachConnectionIsItsOwnCaller) {
  const std::string other = *gateway_->serve({.job = 8}, {"bob-dev", "bob", 8});
  // As it is bound into a container: by whoever is root there, past the folders above.
  const std::string folder = std::filesystem::path(other).parent_path().string();
  const UniqueFd bound = *open_file(folder, O_PATH | O_DIRECTORY);
  const std::string inside = fmt::format("/proc/self/fd/{}/socket", bound.get());
  // This thread alone becomes somebody else while it connects.
  std::vector<gid_t> before(256);
  before.resize(static_cast<size_t>(::getgroups(256, before.data())));
  const gid_t groups[] = {100, 2000};
  ASSERT_EQ(syscall(SYS_setgroups, 2, groups), 0);
  ASSERT_EQ(syscall(SYS_setresgid, -1, 2345, -1), 0);
  ASSERT_EQ(syscall(SYS_setresuid, -1, 1234, -1), 0);
  Result<UniqueFd> connection = connect_unix(inside);
  const Result<UniqueFd> from_outside = connect_unix(other);
  ASSERT_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
  ASSERT_EQ(syscall(SYS_setresgid, -1, 0, -1), 0);
  ASSERT_EQ(syscall(SYS_setgroups, before.size(), before.data()), 0);
  ASSERT_TRUE(connection.has_value());
  EXPECT_FALSE(from_outside) << "a user of the machine is in no container";
  ::fcntl(connection->get(), F_SETFL, O_NONBLOCK);
  const auto bob =
      pb::Client::NewStub(grpc::CreateInsecureChannelFromFd("bob", connection->release()));
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext of_bob, of_ada;
    pb::ControllerHello reply;
    ASSERT_TRUE(bob->Hello(&of_bob, {}, &reply).ok());
    EXPECT_EQ(reply.features(0) + reply.features(3) + reply.features(4) + reply.features(5),
              "[bob-dev][1234][2345][100,2000]");
    reply.Clear();
    ASSERT_TRUE(stub_->Hello(&of_ada, {}, &reply).ok());
    EXPECT_EQ(reply.features(0) + reply.features(3), "[ada-dev][0]");
  }
}

TEST_F(GatewayTest, ErrorsKeepTheirDetails) {
  grpc::ClientContext context;
  pb::SubmitReply reply;
  const grpc::Status status = stub_->Submit(&context, {}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  const Error error =
      wire::error_of_call(status.error_code(), status.error_message(), status.error_details());
  EXPECT_EQ(error.message, "no such volume: x");
  EXPECT_EQ(error.hint, "devrun volume ls");
}

TEST_F(GatewayTest, BytesGoBothWaysAndTheHalfCloseToo) {
  grpc::ClientContext context;
  const auto stream = stub_->Attach(&context);
  pb::AttachRequest request;
  pb::AttachReply reply;
  for (int i = 0; i < 200; ++i) {
    request.mutable_stdin()->set_data(
        std::string(static_cast<size_t>(i) * 1000, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&reply));
    ASSERT_EQ(reply.output().data(), request.stdin().data());
  }
  stream->WritesDone();
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.stdin_taken(), 199u * 200 / 2 * 1000);
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GatewayTest, AReaderThatWaitsHoldsTheControllerBack) {
  grpc::ClientContext context;
  pb::ReadLogRequest request;
  request.set_offset(2000);  // chunks: 200 MB
  const auto reader = stub_->ReadLog(&context, request);
  pb::LogChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  // It comes to rest with little under way, then goes on to the end.
  int before = -1;
  ASSERT_TRUE(wait_for([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return std::exchange(before, service_.logs_sent.load()) == service_.logs_sent;
  }));
  EXPECT_LT(service_.logs_sent, 400);
  int chunks = 1;
  while (reader->Read(&chunk)) ++chunks;
  EXPECT_EQ(chunks, 2000);
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(GatewayTest, ACancelledCallIsCancelledBehind) {
  grpc::ClientContext context;
  pb::ReadLogRequest request;
  request.set_job(kHanging);
  const auto reader = stub_->ReadLog(&context, request);
  pb::LogChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  context.TryCancel();
  EXPECT_TRUE(wait_for([&] { return service_.cancelled.load(); }));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GatewayTest, AnAbsentControllerIsToldInWords) {
  controller_->Shutdown(std::chrono::system_clock::now());
  controller_.reset();
  grpc::ClientContext context;
  pb::ControllerHello reply;
  const grpc::Status status = stub_->Hello(&context, {}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  const Error error =
      wire::error_of_call(status.error_code(), status.error_message(), status.error_details());
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_TRUE(error.message.starts_with("this node does not reach the controller"))
      << error.message;
}

TEST_F(GatewayTest, OnlyTheClientServiceIsForwarded) {
  grpc::ClientContext context;
  const auto channel = dial(socket_);
  pb::ReportReply reply;
  const grpc::Status status = pb::Agent::NewStub(channel)->Report(&context, {}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GatewayTest, AnEndedAttemptHasNoSocket) {
  gateway_->end({.job = 7});
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(socket_).parent_path()));
}

TEST_F(GatewayTest, ARestartedGatewayServesAtTheSamePath) {
  gateway_.reset();
  EXPECT_TRUE(std::filesystem::exists(socket_));
  gateway_ = std::move(*Gateway::open(
      folder_.path() + "/sockets",
      make_channels("127.0.0.1:" + std::to_string(port_), grpc::InsecureChannelCredentials())
          .gateway));
  ASSERT_EQ(*gateway_->serve({.job = 7}, {"ada-dev", "ada", 7}), socket_);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kTestPatience);
  pb::ControllerHello reply;
  EXPECT_TRUE(stub_->Hello(&context, {}, &reply).ok());
}

// Whoever is served is told gRPC's settings at once.
size_t served(const std::vector<UniqueFd>& connections) {
  char byte = 0;
  return static_cast<size_t>(std::ranges::count_if(connections, [&](const UniqueFd& one) {
    return ::recv(one.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
  }));
}

TEST_F(GatewayTest, OneContainerCannotOpenAnyNumberOfConnectionsAndNoneIsTurnedAway) {
  constexpr size_t kServedMax = 512;
  constexpr size_t kAll = kServedMax + 100;
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<UniqueFd> connections;
  for (size_t i = 0; i < kAll; ++i) {
    Result<UniqueFd> connection = connect_unix(socket_);
    ASSERT_TRUE(connection) << i;
    connections.push_back(std::move(*connection));
  }
  EXPECT_TRUE(wait_for([&] { return served(connections) >= kServedMax; }));
  EXPECT_EQ(served(connections), kServedMax);
  // As they go, the others come.
  connections.erase(connections.begin(), connections.begin() + 100);
  EXPECT_TRUE(wait_for([&] { return served(connections) == kServedMax; }));
  connections.clear();
  EXPECT_TRUE(wait_for([&] {
    const auto stub = connect(socket_);
    grpc::ClientContext context;
    pb::ControllerHello reply;
    return stub->Hello(&context, {}, &reply).ok();
  }));
}

}  // namespace
}  // namespace devrun::agent
