// What agents call: proto/devrun/v1/agent.proto. Callback API: no thread waits for a call.
#pragma once

#include <atomic>

#include "controller/rpc/admission.h"
#include "controller/rpc/services.h"
#include "devrun/v1/agent.grpc.pb.h"

namespace devrun::controller {

// BringHome's messages come as they are on the wire (bring_home_call.h).
using AgentCalls = pb::Agent::WithCallbackMethod_Synchronize<
    pb::Agent::WithCallbackMethod_Report<pb::Agent::WithCallbackMethod_KeepTrace<
        pb::Agent::WithCallbackMethod_Streams<pb::Agent::WithRawCallbackMethod_BringHome<
            pb::Agent::WithCallbackMethod_Session<pb::Agent::Service>>>>>>;

class AgentService final : public AgentCalls {
 public:
  // `held`: of the calls that agents hold open.
  AgentService(Parts parts, HeldCalls& held) : parts_(parts), held_(held) {}

  grpc::ServerWriteReactor<pb::DesiredState>* Synchronize(
      grpc::CallbackServerContext* context, const pb::SynchronizeRequest* request) override;
  grpc::ServerUnaryReactor* Report(grpc::CallbackServerContext* context,
                                   const pb::ReportRequest* request,
                                   pb::ReportReply* reply) override;
  grpc::ServerUnaryReactor* KeepTrace(grpc::CallbackServerContext* context,
                                      const pb::KeepTraceRequest* request,
                                      pb::KeepTraceReply* reply) override;
  grpc::ServerBidiReactor<pb::StreamsUp, pb::StreamsDown>* Streams(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* BringHome(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<pb::SessionUp, pb::AttachRequest>* Session(
      grpc::CallbackServerContext* context) override;

 private:
  HeldCalls::Hold hold(const std::string& node, grpc::CallbackServerContext* context);
  void admit_to_store(const std::string& node, const std::string& address);

  Parts parts_;
  HeldCalls& held_;
  std::atomic<uint64_t> sessions_{0};
};

}  // namespace devrun::controller
