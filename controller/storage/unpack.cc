// Archives and images, by the programs that know their formats.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "common/runtime/child.h"
#include "common/runtime/file.h"
#include "common/runtime/pipe.h"
#include "controller/storage/volume_source.h"

namespace devrun::storage {

namespace {

struct Compression {
  std::string_view magic;
  const char* option;
  const char* package;
};
using namespace std::string_view_literals;
constexpr std::array<Compression, 4> kCompressions{{
    {"\x1f\x8b"sv, "--gzip", "gzip"},
    {"\x28\xb5\x2f\xfd"sv, "--zstd", "zstd"},
    {"\xfd"
     "7zXZ"sv,
     "--xz", "xz-utils"},
    {"BZh"sv, "--bzip2", "bzip2"},
}};
constexpr size_t kMagicBytes = 6;
constexpr int kStatusNotFound = 127;
constexpr size_t kPumpBytes = 256 << 10;

const Compression* compression_of(std::string_view head) {
  for (const Compression& one : kCompressions) {
    if (head.starts_with(one.magic)) return &one;
  }
  return nullptr;
}

// Up to `bytes`; fewer only at the end. kCancelled once nobody wants them any more.
Result<std::string> read_some(int fd, size_t bytes, const std::atomic<bool>& unwanted) {
  std::string out(bytes, '\0');
  size_t have = 0;
  while (have < bytes) {
    if (unwanted) return Error{Code::kCancelled, "interrupted", {}};
    pollfd poll{fd, POLLIN, 0};
    if (::poll(&poll, 1, 100) == 0) continue;
    const ssize_t n = ::read(fd, out.data() + have, bytes - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read the archive", errno);
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  out.resize(have);
  return out;
}

// The head, which told the compression, and then the rest.
void pump(const std::string& head, int from, UniqueFd to, const std::atomic<bool>& unwanted) {
  Status wrote = write_all(to.get(), head);
  while (wrote) {
    const Result<std::string> some = read_some(from, kPumpBytes, unwanted);
    if (!some || some->empty()) return;
    wrote = write_all(to.get(), *some);
  }
}

// tar only warns of an attribute that has no room in the file system. One of a kind that Linux does
// not know is another matter: archives of other systems are full of them.
bool tells_of_a_loss(std::string_view line) {
  return (line.find(": Cannot set '") != line.npos || line.find("Cannot acl_set") != line.npos) &&
         !line.ends_with("Operation not supported");
}

// Of what tar says the line that tells why: its last one never does.
std::string complaint_of(std::string_view output, bool failed) {
  std::string out;
  while (!output.empty()) {
    const std::string_view line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    if (tells_of_a_loss(line)) return std::string(line);
    const bool tells_nothing = line.ends_with("from member names") ||
                               line.ends_with("from hard link targets") ||
                               line.find("Exiting with failure") != line.npos;
    if (failed && out.empty() && !line.empty() && !tells_nothing) out = line;
  }
  return out;
}

Status untar(const std::vector<std::string>& options, int input, const std::string& to,
             const std::string& package, Work& work) {
  std::vector<std::string> argv{"env", "LC_ALL=C", "tar", "--extract", "--file=-"};
  argv.insert(argv.end(), options.begin(), options.end());
  for (const char* const word : {"--same-owner", "--same-permissions", "--numeric-owner",
                                 "--xattrs", "--xattrs-include=*", "--acls", "--directory"}) {
    argv.emplace_back(word);
  }
  argv.push_back(to);
  const ChildResult result = TRY(run_child_with(argv, {.input = input, .stop = &work.stop_flag()}));
  const std::string complaint = complaint_of(result.out, result.exit_status != 0);
  if (result.exit_status == 0 && complaint.empty()) return ok();
  const bool lacks_program =
      result.exit_status == kStatusNotFound || complaint.find("Cannot exec") != std::string::npos;
  const std::string install =
      package.empty() ? "apt-get install tar" : "apt-get install " + package;
  return Error{Code::kIo, complaint.empty() ? "tar failed" : complaint,
               lacks_program ? install + ", on the storage host"
                             : "tar --list --verbose --file ARCHIVE, to see what is in it"};
}

bool is_installed(const std::string& program) {
  return ::access(("/usr/bin/" + program).c_str(), X_OK) == 0 ||
         ::access(("/usr/local/bin/" + program).c_str(), X_OK) == 0;
}

}  // namespace

bool has_image_transport(const std::string& image) {
  for (const char* const transport : {"oci-archive:", "docker-archive:", "docker-daemon:", "oci:",
                                      "dir:", "docker://", "containers-storage:", "sif:"}) {
    if (image.starts_with(transport)) return true;
  }
  return false;
}

Status unpack_archive(const FromArchive& archive, const std::string& to, Work& work) {
  const std::string head = TRY(read_some(archive.fd, kMagicBytes, work.stop_flag()));
  if (head.empty()) return Error{Code::kInvalid, "the archive is empty", {}};
  const Compression* const compression = compression_of(head);
  Pipe pipe = TRY(make_pipe());
  std::atomic<bool> unwanted = false;  // by a tar that has ended
  std::thread pumping([&head, &unwanted, fd = archive.fd, write = std::move(pipe.write)]() mutable {
    pump(head, fd, std::move(write), unwanted);
  });
  std::vector<std::string> options;
  if (compression != nullptr) options.emplace_back(compression->option);
  Status done =
      untar(options, pipe.read.get(), to, compression != nullptr ? compression->package : "", work);
  pipe.read.reset();
  unwanted = true;
  pumping.join();
  if (!done && done.error().code != Code::kCancelled) {
    return std::move(done).error().context("the archive cannot be unpacked");
  }
  return done;
}

Status unpack_image(const FromImage& image, const std::string& to, Work& work) {
  for (const char* const program : {"skopeo", "umoci"}) {
    if (is_installed(program)) continue;
    return Error{
        Code::kNotFound,
        fmt::format("{} is not installed on the storage host, and images need it", program),
        fmt::format("apt-get install {}", program)};
  }
  // Beside the live tree: on the same file system, and deleted with the volume if all ends here.
  const std::string beside = to.substr(0, to.rfind('/')) + "/image";
  TRY(make_folders(beside, 0700));
  ChildOptions options;
  options.line = [&](std::string_view line) { work.tell(line); };
  options.stop = &work.stop_flag();
  work.tell(fmt::format("fetching {}", image.reference));
  const std::string source =
      has_image_transport(image.reference) ? image.reference : "docker://" + image.reference;
  TRY(run_checked_with(
      {"skopeo", "copy", "--insecure-policy", source, "oci:" + beside + "/oci:image"}, options));
  work.tell("unpacking");
  TRY(run_checked_with({"umoci", "raw", "unpack", "--image", beside + "/oci:image", to}, options));
  return run_checked({"rm", "-rf", "--one-file-system", beside});
}

}  // namespace devrun::storage
