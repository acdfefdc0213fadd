#include "agent/sync/traces.h"

#include "agent/volume/fs_client.h"
#include "common/base/log.h"
#include "common/wire/job.h"

namespace devrun::agent {

namespace {
// What is read later is no longer the start of a program.
constexpr Duration kStartTime = seconds(60);
constexpr std::chrono::seconds kCallTimeMax{5};
}  // namespace

void Traces::started(const AttemptKey& key) {
  if (fs_socket_.empty()) return;
  loop_.post_after(kStartTime, [this, key] { tell(key); });
}

void Traces::ended(const AttemptKey& key) {
  if (fs_socket_.empty()) return;
  loop_.post([this, key] { tell(key); });
}

void Traces::tell(const AttemptKey& key) {
  const Result<std::string> trace = fs_end_run(fs_socket_, folder_name(key));
  if (!trace || trace->empty()) return;
  devrun::v1::KeepTraceRequest request;
  *request.mutable_key() = wire::to_proto(key);
  request.set_trace(*trace);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeMax);
  devrun::v1::KeepTraceReply reply;
  const grpc::Status told = controller_.KeepTrace(&context, request, &reply);
  if (!told.ok()) log::info("{}: its trace is not kept: {}", to_string(key), told.error_message());
}

}  // namespace devrun::agent
