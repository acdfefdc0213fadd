// Streaming calls that end before they begin.
#pragma once

#include <grpcpp/grpcpp.h>

namespace devrun::controller {

template <typename Reply>
class RefuseWrite final : public grpc::ServerWriteReactor<Reply> {
 public:
  explicit RefuseWrite(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

template <typename Request, typename Reply>
class RefuseBidi final : public grpc::ServerBidiReactor<Request, Reply> {
 public:
  explicit RefuseBidi(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace devrun::controller
