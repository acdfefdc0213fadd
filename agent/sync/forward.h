// One call of a container's program, passed on to the controller byte for byte, whatever its method: each message up
// and down with one in flight each way, half-close, cancellation, deadline, trailing metadata and status with details.
//
//   program ──read──▶ ServerSide ──write──▶ ClientSide ──▶ controller
//   program ◀──write── ServerSide ◀──read── ClientSide ◀── controller
//
// Surprises: writes to the controller are started from the server side's reactions, so the client side has a hold until
// its reads have ended. A reply is read only when the one before has been written, so that at the end, when a read fails,
// no write to the program is under way and the status can be given.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>

#include <condition_variable>
#include <mutex>

#include "agent/sync/identity.h"

namespace devrun::agent {

using ByteStub = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>;

// The calls under way. Waited for before their channel goes: gRPC 1.51 must not lose a channel's last reference in one of
// its own threads (it would wait for that thread, then free its queue twice; found by the address sanitizer).
class Forwardings {
 public:
  void enter();
  void leave();
  void wait_for_all();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t count_ = 0;
};

// Begins to forward; the reactor deletes itself when both sides are done.
grpc::ServerGenericBidiReactor* forward(grpc::GenericCallbackServerContext* context,
                                        ByteStub& controller, const CallerIdentity& caller,
                                        Forwardings& all);

// Refuses a call.
grpc::ServerGenericBidiReactor* refuse(const grpc::Status& status);

}  // namespace devrun::agent
