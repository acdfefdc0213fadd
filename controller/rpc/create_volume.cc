#include "controller/rpc/create_volume.h"

#include "controller/rpc/status.h"

namespace devrun::controller {

namespace {

Result<storage::VolumeSource> source_of(const pb::CreateVolumeRequest& request,
                                        const Certified& caller) {
  switch (request.source_case()) {
    case pb::CreateVolumeRequest::kDebootstrap: {
      const auto& in = request.debootstrap();
      if (in.suite().empty() || in.suite()[0] == '-') {
        return Error{Code::kInvalid, "expected the name of a Debian suite, such as bookworm", {}};
      }
      return storage::VolumeSource{
          storage::FromDebootstrap{in.suite(), {in.include().begin(), in.include().end()}}};
    }
    case pb::CreateVolumeRequest::kFolder:
      if (caller.role != Role::kAdmin) {
        return Error{Code::kDenied,
                     "only an administrator can make a volume of a folder on the storage host",
                     "devrun volume create NAME --from-debootstrap bookworm"};
      }
      return storage::VolumeSource{storage::FromFolder{request.folder()}};
    case pb::CreateVolumeRequest::kEmpty:
      return storage::VolumeSource{storage::Empty{}};
    case pb::CreateVolumeRequest::kVolume:
    case pb::CreateVolumeRequest::kImage:
    case pb::CreateVolumeRequest::SOURCE_NOT_SET:
      break;
  }
  return Error{Code::kInvalid, "a volume needs a source",
               "devrun volume create NAME --from-debootstrap bookworm"};
}

}  // namespace

CreateVolumeCall* CreateVolumeCall::start(storage::Storage& storage, WorkerPool& workers,
                                          const Certified& caller,
                                          const pb::CreateVolumeRequest& request) {
  auto made = std::make_shared<CreateVolumeCall>();
  made->self_ = made;
  auto source = source_of(request, caller);
  if (!source) {
    made->done(source.error());
    return made.get();
  }
  const bool queued = workers.run(
      [made, &storage, name = request.name(), owner = caller.name, source = std::move(*source)] {
        made->done(storage.create_volume(name, owner, source,
                                         [&](std::string_view line) { made->add_line(line); }));
      });
  if (!queued) {
    made->done(Error{Code::kExhausted, "too many requests about volumes wait", "try again"});
  }
  return made.get();
}

void CreateVolumeCall::add_line(std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (finished_ || lines_.size() >= kProgressLinesMax) return;
  lines_.emplace_back().set_line(std::string(line));
  pump();
}

void CreateVolumeCall::done(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (status) lines_.emplace_back().set_done(true);
  result_ = status;
  pump();
}

void CreateVolumeCall::finish(const grpc::Status& status) {
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

// The line being written stays at the front.
void CreateVolumeCall::pump() {
  if (writing_ || finished_) return;
  if (lines_.empty()) {
    if (result_) finish(to_status(*result_));
    return;
  }
  writing_ = true;
  StartWrite(&lines_.front());
}

void CreateVolumeCall::OnWriteDone(bool) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  lines_.pop_front();
  pump();
}

void CreateVolumeCall::OnCancel() {
  const std::lock_guard lock(mutex_);
  finish({grpc::StatusCode::CANCELLED, "the caller has gone; the volume is made all the same"});
}

}  // namespace devrun::controller
