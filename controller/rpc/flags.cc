#include "controller/rpc/flags.h"

#include <fmt/format.h>

#include "common/base/units.h"
#include "common/runtime/file.h"
#include "controller/storage/store_records.h"

namespace devrun::controller {

namespace {

// Spans as people write them, `30d`; CLI11 says what is wrong.
void add_span(CLI::App& app, const char* name, Duration& span, const char* meaning) {
  app.add_option_function<std::string>(
      name,
      [&span](const std::string& text) {
        const Result<Duration> parsed = parse_duration(text);
        if (!parsed) throw CLI::ValidationError(parsed.error().message);
        span = *parsed;
      },
      meaning);
}

}  // namespace

void add_policy_flags(CLI::App& app, Policy& out) {
  add_span(app, "--lease", out.lease,
           "how long a node without an answer keeps an attempt that may be run again (15m)");
  add_span(app, "--lease-margin", out.lease_margin,
           "how much longer it is waited for before that is done (30s)");
  add_span(app, "--retry-pause", out.retry_pause,
           "before a second attempt; doubled for each further one (1s)");
  add_span(app, "--retry-pause-max", out.retry_pause_max, "but never more than that (1m)");
  add_span(app, "--keep-in-memory", out.keep_in_memory,
           "how long ended jobs stay in memory before they are in the history alone (1h)");
  app.add_option("--ended-in-memory", out.ended_in_memory_max, "but no more than so many (10000)");
}

void add_archive_flags(CLI::App& app, ArchiveOptions& out) {
  add_span(app, "--keep-history-for", out.keep, "how long ended jobs are remembered (400d)");
}

void add_collecting_flags(CLI::App& app, CollectOptions& out) {
  app.add_option("--keep-snapshots", out.snapshots.count,
                 "unpinned snapshots of a volume that stay (1000)");
  add_span(app, "--keep-snapshots-for", out.snapshots.age, "and for how long (30d)");
  app.add_option("--keep-jobs", out.jobs_count, "ended jobs whose snapshots stay (10000)");
  add_span(app, "--keep-jobs-for", out.jobs_age, "and for how long (30d)");
  app.add_option("--shared-folder", out.shared_folder,
                 "the agents' --shared-folder: a job's goes with its snapshot");
  app.add_option_function<std::string>(
      "--keep-output-for",
      [&out](const std::string& text) {
        const Result<Duration> parsed = parse_duration(text);
        if (!parsed) throw CLI::ValidationError(parsed.error().message);
        out.output_age = *parsed;
      },
      "how long the output of ended jobs is kept; 0s: for ever (as --keep-history-for)");
  add_span(app, "--collect-every", out.interval, "how often unused files are deleted (10m)");
}

void add_joining_flags(CLI::App& app, JoiningOptions& out, JoiningFiles& files) {
  app.add_option("--ca-key", files.authority_key,
                 "the authority's key, for certificates of nodes (none: nobody can join)");
  app.add_option("--join-listen", out.listen, "HOST:PORT for machines that join");
  app.add_option("--join-address", out.address, "HOST:PORT as they reach it");
  app.add_option("--address", out.controller, "HOST:PORT as they reach the controller");
  app.add_option("--node-settings", files.settings,
                 "YAML that machines which join get for their configuration");
  add_span(app, "--certificates-for", out.certificate_life,
           "how long a certificate of a node is good; they renew them (30d)");
}

Status read_joining_files(const JoiningFiles& files, JoiningOptions& out) {
  if (!files.authority_key.empty()) out.authority_key = TRY(read_file(files.authority_key));
  if (!files.settings.empty()) out.settings = TRY(read_file(files.settings));
  return ok();
}

int put_and_tell(const std::string& folder, const std::string& store) {
  const auto put =
      storage::put_records(folder, store, [](std::string_view line) { fmt::print("{}\n", line); });
  if (!put) {
    fmt::print("{}\n", put.error().message);
    return 1;
  }
  fmt::print("store: {} records put back, {} were there\n", put->written,
             put->there + put->different);
  if (put->collected > 0) {
    fmt::print("store: {} trees and records are left out: files of theirs were collected since\n",
               put->collected);
  }
  return 0;
}

int check_and_tell(const std::string& store, const storage::CheckOptions& options) {
  const auto report =
      storage::check_store(store, options, [](std::string_view line) { fmt::print("{}\n", line); });
  if (!report) {
    fmt::print(stderr, "devrun-controller: {}\n", report.error().message);
    return 1;
  }
  const bool whole = report->problems == 0;
  fmt::print("{} volumes, {} snapshots, {} trees, {} bodies{}: {}\n", report->volumes,
             report->snapshots, report->trees, report->bodies,
             options.data ? " with their bytes" : "",
             whole ? "no damage" : fmt::format("{} problems", report->problems));
  return whole ? 0 : 1;
}

}  // namespace devrun::controller
