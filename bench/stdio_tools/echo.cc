// A bare gRPC echo over TLS, to compare `devrun cat` with: the same messages as Attach's, one hop, nothing in between;
// and a stream one way, to compare bringing files home with.
//
//   bench_stdio_echo serve            prints the port, serves until stdin ends
//   bench_stdio_echo send PORT        stdin through the server to stdout
//   bench_stdio_echo pour PORT MB     so many megabytes to the server; prints the seconds that it took
//
// Both make their own certificates from a key pair in the folder that BENCH_STDIO_KEYS names (serve writes it).
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "common/runtime/file.h"
#include "common/runtime/pki.h"
#include "devrun/v1/agent.grpc.pb.h"
#include "devrun/v1/client.grpc.pb.h"

namespace {

namespace pb = devrun::v1;
constexpr size_t kChunkBytes = 256 << 10;
constexpr uint64_t kWindowBytes = 1 << 20;  // as stdin has it

class Echo final : public pb::Client::Service {
  grpc::Status Attach(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::AttachReply, pb::AttachRequest>* stream) override {
    pb::AttachRequest request;
    pb::AttachReply reply;
    while (stream->Read(&request)) {
      if (!request.has_stdin()) continue;
      reply.mutable_output()->set_offset(request.stdin().offset());
      reply.mutable_output()->set_data(std::move(*request.mutable_stdin()->mutable_data()));
      if (!stream->Write(reply)) break;
      if (request.stdin().eof()) break;
    }
    return grpc::Status::OK;
  }
};

class Sink final : public pb::Agent::Service {
  grpc::Status BringHome(grpc::ServerContext*,
                         grpc::ServerReaderWriter<pb::HomeDown, pb::HomeUp>* stream) override {
    pb::HomeUp message;
    while (stream->Read(&message)) continue;
    return grpc::Status::OK;
  }
};

std::string keys_folder() {
  const char* folder = std::getenv("BENCH_STDIO_KEYS");
  return folder != nullptr ? folder : ".";
}

int fail(const char* what) {
  std::fprintf(stderr, "bench_stdio_echo: %s\n", what);
  return 1;
}

int serve() {
  const auto authority = devrun::make_authority("bench", 1);
  if (!authority) return fail("no authority");
  const auto own =
      devrun::issue_certificate(*authority, {devrun::Role::kController, "bench"}, {"127.0.0.1"}, 1);
  if (!own || !devrun::write_file_atomically(keys_folder() + "/ca.pem", authority->certificate)) {
    return fail("no certificate");
  }
  grpc::SslServerCredentialsOptions tls;
  tls.pem_root_certs = authority->certificate;
  tls.pem_key_cert_pairs.push_back({own->key, own->certificate});
  Echo echo;
  Sink sink;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.RegisterService(&echo);
  builder.RegisterService(&sink);
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) return fail("cannot listen");
  std::printf("%d\n", port);
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}

std::shared_ptr<grpc::Channel> channel_to(const std::string& port) {
  const auto ca = devrun::read_file(keys_folder() + "/ca.pem");
  if (!ca) return nullptr;
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = *ca;
  return grpc::CreateChannel("127.0.0.1:" + port, grpc::SslCredentials(tls));
}

int pour(const std::string& port, int megabytes) {
  const auto channel = channel_to(port);
  if (!channel) return fail("no ca.pem");
  const auto stub = pb::Agent::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->BringHome(&context);
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < megabytes; ++i) {
    pb::HomeUp message;
    message.mutable_bytes()->mutable_data()->assign(1 << 20, static_cast<char>(i));
    if (!stream->Write(message)) return fail("write");
  }
  stream->WritesDone();
  if (!stream->Finish().ok()) return fail("not all arrived");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%.4f\n", took.count());
  return 0;
}

int send(const std::string& port) {
  const auto channel = channel_to(port);
  if (!channel) return fail("no ca.pem");
  const auto stub = pb::Client::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->Attach(&context);
  std::atomic<uint64_t> received = 0;
  std::thread reader([&] {
    pb::AttachReply reply;
    while (stream->Read(&reply)) {
      const std::string& data = reply.output().data();
      if (!devrun::write_all(STDOUT_FILENO, data)) return;
      received += data.size();
      received.notify_one();
    }
  });
  uint64_t sent = 0;
  for (bool eof = false; !eof;) {
    for (uint64_t seen = received; sent - seen >= kWindowBytes; seen = received) {
      received.wait(seen);
    }
    pb::AttachRequest request;
    std::string& data = *request.mutable_stdin()->mutable_data();
    data.resize(kChunkBytes);
    const ssize_t n = ::read(STDIN_FILENO, data.data(), data.size());
    if (n < 0) return fail("read");
    data.resize(static_cast<size_t>(n));
    eof = n == 0;
    request.mutable_stdin()->set_offset(sent);
    request.mutable_stdin()->set_eof(eof);
    sent += static_cast<uint64_t>(n);
    if (!stream->Write(request)) return fail("write");
  }
  reader.join();
  return stream->Finish().ok() && received == sent ? 0 : fail("not all came back");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "serve") return serve();
  if (verb == "send" && argc > 2) return send(argv[2]);
  if (verb == "pour" && argc > 3) return pour(argv[2], std::atoi(argv[3]));
  return fail("serve | send PORT | pour PORT MB");
}
