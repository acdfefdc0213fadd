#include "agent/volume/fuse_front.h"

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fmt/format.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "agent/volume/fuse_handlers.h"
#include "common/base/log.h"
#include "common/runtime/file.h"

namespace devrun::volume {

namespace {

constexpr int kNotifyResend = 7;  // FUSE_NOTIFY_RESEND; not in Debian 12's header

void log_from_libfuse(fuse_log_level level, const char* format, va_list arguments) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  std::string_view text(line);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (level <= FUSE_LOG_ERR) log::error("{}", text);
}

// `0:45` of the mount at `path`, from mountinfo: a stat would be an upcall.
std::string device_of_mount(const std::string& path) {
  const Result<std::string> mounts = read_file("/proc/thread-self/mountinfo");
  if (!mounts) return {};
  std::string found;
  std::string_view rest = *mounts;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    char device[32];
    char where[4096];
    if (std::sscanf(line.c_str(), "%*d %*d %31s %*s %4095s", device, where) == 2 && path == where) {
      found = device;  // the last one lies on top
    }
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<FuseFront>> FuseFront::open(UniqueFd fd, Vfs& vfs, MountState& state,
                                                   Options options) {
  fuse_set_log_func(log_from_libfuse);
  std::unique_ptr<FuseFront> front(new FuseFront(vfs, state, std::move(options)));
  char program[] = "devrun-fs";
  char* words[] = {program, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, words);
  const fuse_lowlevel_ops operations = Handlers::operations(front->options_);
  front->session_ = fuse_session_new(&arguments, &operations, sizeof operations, front.get());
  fuse_opt_free_args(&arguments);
  if (front->session_ == nullptr) return Error{Code::kInternal, "libfuse makes no session", {}};
  const fuse_custom_io io{write_reply, read_request, nullptr, nullptr};
  if (fuse_session_custom_io(front->session_, &io, fd.get()) != 0) {
    return Error{Code::kInternal, "libfuse refuses the descriptor", {}};
  }
  fd.release();  // the session closes it
  return front;
}

FuseFront::~FuseFront() {
  reads_.close();
  if (session_ != nullptr) fuse_session_destroy(session_);
}

Status FuseFront::serve() {
  take_over();
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_max_threads(config, options_.threads_max);
  fuse_loop_cfg_set_idle_threads(config, options_.threads_max);
  const int failed = fuse_session_loop_mt(session_, config);
  fuse_loop_cfg_destroy(config);
  if (failed < 0) return errno_error(fmt::format("serve {}", options_.mounted_at), -failed);
  return ok();
}

void FuseFront::root_changed() {
  fuse_lowlevel_notify_inval_inode(session_, kRootNode, 0, 0);
}

void FuseFront::process(std::string request) {
  fuse_buf buffer{};
  buffer.size = request.size();
  buffer.mem = request.data();
  fuse_session_process_buf(session_, &buffer);
}

// Of a mount that has just been made there is nothing to take over.
void FuseFront::take_over() {
  const std::string init = requests_.init();
  if (init.empty()) return;
  process(init);
  if (!init_replied_.exchange(true)) initialized();
  root_changed();  // our predecessor may have died before it could say so
  const std::vector<std::string> unanswered = requests_.unanswered();
  if (options_.resend && requests_.kernel_resends()) {
    const fuse_out_header resend{sizeof resend, kNotifyResend, 0};
    if (::write(fuse_session_fd(session_), &resend, sizeof resend) == sizeof resend) {
      requests_.forget_all();
      log::info("{}: taken over; the kernel sends what was not answered again",
                options_.mounted_at);
      return;
    }
    log::warning("{}: the kernel sends nothing again: {}", options_.mounted_at,
                 std::strerror(errno));
  }
  log::info("{}: taken over; {} requests were taken and not answered", options_.mounted_at,
            unanswered.size());
  for (const std::string& request : unanswered) process(request);
}

// libfuse before 3.17 forgets to pass on that look-ups and listings of one folder may run at once.
void FuseFront::complete_init(const iovec& reply) const {
  if (reply.iov_len < sizeof(fuse_init_out)) return;
  fuse_init_out out;
  std::memcpy(&out, reply.iov_base, sizeof out);
  out.flags |= requests_.init_flags() & FUSE_PARALLEL_DIROPS;
  std::memcpy(reply.iov_base, &out, sizeof out);
}

bool FuseFront::store(NodeId file, uint64_t offset, const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    fuse_bufvec bytes = FUSE_BUFVEC_INIT(slice.bytes.size());
    bytes.buf[0].mem = const_cast<char*>(slice.bytes.data());
    const auto at = static_cast<off_t>(offset);
    if (fuse_lowlevel_notify_store(session_, file, at, &bytes,
                                   static_cast<fuse_buf_copy_flags>(0)) != 0) {
      return false;
    }
    offset += slice.bytes.size();
  }
  return true;
}

ssize_t FuseFront::write_reply(int fd, iovec* parts, int count, void* self) {
  auto* front = static_cast<FuseFront*>(self);
  // The first reply of a session is INIT's.
  if (!front->init_replied_ && count > 1) front->complete_init(parts[1]);
  const ssize_t n = ::writev(fd, parts, count);
  const int saved = errno;
  // Refused is answered too: whoever asked has gone, or the last server had answered.
  front->requests_.answered(parts[0]);
  if (n > 0 && !front->init_replied_.exchange(true)) front->initialized();
  errno = saved;
  return n;
}

ssize_t FuseFront::read_request(int fd, void* buffer, size_t size, void* self) {
  return static_cast<FuseFront*>(self)->requests_.read(fd, buffer, size);
}

void FuseFront::initialized() {
  const std::string device = device_of_mount(options_.mounted_at);
  if (device.empty()) return;
  const std::string path = fmt::format("/sys/class/bdi/{}/read_ahead_kb", device);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  const UniqueFd owner(fd);
  if (fd < 0 || !write_all(fd, std::to_string(options_.read_ahead_kib))) {
    log::warning("cannot set the read-ahead of {}: reads of large files will be slower",
                 options_.mounted_at);
  }
}

void FuseFront::count(std::map<std::string, uint64_t>& counters) const {
  counters["kernel.sends_again"] = requests_.kernel_resends() ? 1 : 0;
  const auto add = [&](const char* name, const std::atomic<uint64_t>& value) {
    counters[std::string("upcall.") + name] += value;
  };
  add("lookup", upcalls_.lookup);
  add("getattr", upcalls_.getattr);
  add("readlink", upcalls_.readlink);
  add("open", upcalls_.open);
  add("opendir", upcalls_.opendir);
  add("read", upcalls_.read);
  add("readdir", upcalls_.readdir);
  add("readdirplus", upcalls_.readdirplus);
  add("getxattr", upcalls_.getxattr);
  add("listxattr", upcalls_.listxattr);
  add("statfs", upcalls_.statfs);
  add("lseek", upcalls_.lseek);
  reads_.count(counters);
}

}  // namespace devrun::volume
