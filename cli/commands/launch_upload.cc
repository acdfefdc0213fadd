#include "cli/commands/launch_upload.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "cli/client/caller.h"
#include "cli/commands/attached_run.h"
#include "cli/commands/connect.h"
#include "cli/commands/inside.h"
#include "cli/transfer/file_stream.h"
#include "cli/transfer/ignore_rules.h"
#include "common/runtime/pipe.h"
#include "common/tree/codec.h"

namespace devrun::cli {

namespace {

constexpr const char* kLabel = "upload";
constexpr size_t kLabelDigits = 48;

class Source {
 public:
  explicit Source(const UploadWish& wish) : path_(wish.from) {
    struct stat st {};
    const bool is_folder = ::stat(path_.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
    if (is_folder && !wish.whole) rules_ = IgnoreRules::of_folder(path_);
    whole_ = wish.whole;
  }

  Status send(int out, const std::function<void(const std::string&)>& word) const {
    return send_files(path_, out, word, [this](const std::string& path, bool is_folder) {
      return !whole_ && rules_.leaves_out(path, is_folder);
    });
  }

  // Of all that would be sent: a hash of the hashes of its pieces.
  Result<Digest> digest() const {
    Pipe pipe = TRY(make_pipe());
    Status sent = ok();
    std::thread sender(
        [&, out = std::move(pipe.write)] { sent = send(out.get(), [](const std::string&) {}); });
    constexpr size_t kPiece = 1 << 20;
    std::string hashes;
    std::string piece(kPiece, '\0');
    size_t have = 0;
    ssize_t n = 0;
    do {
      n = ::read(pipe.read.get(), piece.data() + have, kPiece - have);
      if (n < 0 && errno == EINTR) continue;
      if (n > 0) have += static_cast<size_t>(n);
      if (have == kPiece || n <= 0) {
        hashes += tree::sha256(std::string_view(piece).substr(0, have)).view();
        have = 0;
      }
    } while (n > 0 || (n < 0 && errno == EINTR));
    pipe.read.reset();
    sender.join();
    TRY(sent);
    return tree::sha256(hashes);
  }

 private:
  std::string path_;
  IgnoreRules rules_;
  bool whole_ = false;
};

Result<std::string> name_of_content(const Source& source, const UploadWish& wish) {
  const Digest content = TRY(source.digest());
  const std::string all =
      fmt::format("{}\n{}\n{}\n{}", content.hex(), wish.volume, wish.to, wish.caller.uid);
  return tree::sha256(all).hex().substr(0, kLabelDigits);
}

// One that has brought the same before, and not so long ago that what it brought could be gone.
std::optional<JobId> brought_before(Controller& controller, const std::string& name) {
  JobQuery query;
  query.all = true;
  query.states = {JobState::kSucceeded};
  query.labels = {{kLabel, name}};
  query.limit = 1;
  const Result<JobList> found = controller.list_jobs(query);
  if (!found || found->jobs.empty()) return std::nullopt;
  const JobRecord& job = found->jobs.back();
  if (wall_clock() - job.timeline.submitted > kUploadKept) return std::nullopt;
  return job.job;
}

Result<Submission> submission_for(const UploadWish& wish, const std::string& name) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.name = "upload";
  spec.root.volume = wish.volume;
  spec.program.argv = {kInsideProgram, kInsideOption, "take", wish.to};
  spec.program.cwd = "/";
  spec.program.caller = wish.caller;
  spec.program.reads_stdin = true;
  spec.results = Results::kKeep;
  spec.labels[kLabel] = name;
  out.env = TRY(environment_block({}, {}));
  return out;
}

}  // namespace

Result<JobId> upload(Controller& controller, Context& context, Signals& signals,
                     const UploadWish& wish) {
  const Source source(wish);
  const std::string name = TRY(name_of_content(source, wish));
  if (const auto before = brought_before(controller, name)) return *before;
  const Submission submission = TRY(submission_for(wish, name));
  const Submitted submitted = TRY(submit_interruptibly(controller, signals, submission));
  Pipe pipe = TRY(make_pipe());
  Status sent = ok();
  std::thread sender([&, out = std::move(pipe.write)] {
    sent = source.send(out.get(), [&](const std::string& words) { context.console.say(words); });
  });
  Context inner{context.surroundings, context.console, pipe.read.get()};
  Following following;
  following.task = {submitted.job, kNoTask};
  following.write_stdin = true;
  following.patient = true;
  following.quiet = true;
  following.results = Results::kKeep;
  const Result<int> status = follow_job(controller, inner, signals, following);
  pipe.read.reset();
  sender.join();
  const int ended = TRY(Result<int>(status));
  if (ended == 0) return submitted.job;
  if (ended == kStatusCancelled) return Error{Code::kCancelled, "given up", {}};
  if (!sent) return sent.error();
  return Error{Code::kInternal,
               fmt::format("{} could not be brought to {}: job {} ended with status {}", wish.from,
                           wish.to, submitted.job, ended),
               fmt::format("devrun show {}; devrun logs {}", submitted.job, submitted.job)};
}

}  // namespace devrun::cli
