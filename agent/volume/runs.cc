#include "agent/volume/runs.h"

#include <algorithm>
#include <unordered_map>

#include "common/base/log.h"

namespace devrun::volume {

namespace {

constexpr std::chrono::seconds kTraceWaitMax{5};
// Less is no news: the kernel's read-ahead is never twice the same.
constexpr uint64_t kNewsBytesMin = 4 << 20;
constexpr size_t kNewsFilesMin = 8;

tree::PageRange pages_of(uint64_t offset, uint64_t size) {
  const uint64_t first = offset / tree::kTracePageBytes;
  const uint64_t end = (offset + size + tree::kTracePageBytes - 1) / tree::kTracePageBytes;
  return {static_cast<uint32_t>(first), static_cast<uint32_t>(end - first)};
}

size_t files_beyond(const tree::Trace& fresh, const tree::Trace& known) {
  return tree::merge_traces(known, fresh).files.size() - known.files.size();
}

}  // namespace

void Runs::stop() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, run] : runs_) run->stop.request_stop();
}

void Runs::begin(const std::string& id, NodeId root, const std::vector<std::string>& traces) {
  const auto run = std::make_shared<Run>();
  {
    const std::lock_guard lock(mutex_);
    if (runs_.contains(id)) return;
    if (runs_.size() >= kRunsMax) {
      const auto oldest = std::min_element(
          runs_.begin(), runs_.end(),
          [](const auto& a, const auto& b) { return a.second->number < b.second->number; });
      oldest->second->stop.request_stop();
      runs_.erase(oldest);
      forget_reads();
    }
    run->root = root;
    run->number = begun_++;
    run->first_read = reads_.size();
    runs_.emplace(id, run);
    any_ = true;
  }
  prefetcher_.think([this, run, traces] { replay(run, traces); }, run->stop.get_token());
}

void Runs::replay(const std::shared_ptr<Run>& run, const std::vector<std::string>& traces) {
  tree::Trace trace;
  for (const std::string& path : traces) {
    const Result<std::string> bytes =
        store_.read_whole(path, tree::kTraceBytesMax,
                          std::chrono::steady_clock::now() + kTraceWaitMax, Priority::kDemand);
    if (!bytes) continue;
    Result<tree::Trace> read = tree::decode_trace(*bytes);
    if (read) {
      trace = std::move(*read);
      break;
    }
    damaged_ += 1;
    log::warning("{}: {}: not used", path, read.error().message);
  }
  if (trace.files.empty()) return;
  replayed_ += 1;
  const std::stop_token stop = run->stop.get_token();
  for (const tree::TraceFile& file : trace.files) {
    if (stop.stop_requested()) return;
    const std::optional<Vfs::FoundFile> found = vfs_.find_file(run->root, file.path);
    if (!found) {
      missing_files_ += 1;
      continue;
    }
    replayed_files_ += 1;
    guesser_.known(found->node);
    for (const tree::PageRange& range : file.ranges) {
      const uint64_t offset = range.first * tree::kTracePageBytes;
      if (offset >= found->size) break;
      const uint64_t size = range.count * tree::kTracePageBytes;
      prefetcher_.want({found->node, offset, std::min(size, found->size - offset)},
                       Prefetcher::Bring::kToKernel, stop);
    }
  }
  const std::lock_guard lock(mutex_);
  run->known = std::move(trace);
}

void Runs::read(NodeId file, uint64_t offset, uint64_t size) {
  if (!any_) return;
  const std::lock_guard lock(mutex_);
  if (runs_.empty() || reads_.size() >= kReadsMax) return;
  reads_.push_back({file, pages_of(offset, size)});
}

std::string Runs::end(const std::string& id) {
  std::shared_ptr<Run> run;
  std::vector<Read> reads;
  tree::Trace known;
  {
    const std::lock_guard lock(mutex_);
    const auto found = runs_.find(id);
    if (found == runs_.end()) return {};
    run = found->second;
    runs_.erase(found);
    reads.assign(reads_.begin() + static_cast<ptrdiff_t>(run->first_read), reads_.end());
    known = std::move(run->known);
    forget_reads();
  }
  run->stop.request_stop();
  const tree::Trace trace = trace_of(run->root, reads);
  const bool news = tree::trace_bytes_beyond(trace, known) >= kNewsBytesMin ||
                    files_beyond(trace, known) >= kNewsFilesMin ||
                    (known.files.empty() && !trace.files.empty());
  if (!news) return {};
  recorded_ += 1;
  return tree::encode_trace(trace);
}

// What was noted before the oldest run that is left began.
void Runs::forget_reads() {
  size_t first = reads_.size();
  for (const auto& [id, run] : runs_) first = std::min(first, run->first_read);
  reads_.erase(reads_.begin(), reads_.begin() + static_cast<ptrdiff_t>(first));
  for (const auto& [id, run] : runs_) run->first_read -= first;
  any_ = !runs_.empty();
}

tree::Trace Runs::trace_of(NodeId root, const std::vector<Read>& reads) const {
  tree::Trace out;
  std::unordered_map<NodeId, size_t> places;
  constexpr size_t kNowhere = tree::kTraceFilesMax;
  for (const Read& read : reads) {
    auto [place, fresh] = places.emplace(read.file, kNowhere);
    if (fresh && out.files.size() < tree::kTraceFilesMax) {
      const std::optional<std::string> path = vfs_.path_of(read.file);
      const std::optional<Vfs::FoundFile> here = path ? vfs_.find_file(root, *path) : std::nullopt;
      if (here && here->node == read.file) {
        place->second = out.files.size();
        out.files.push_back({*path, {}});
      }
    }
    if (place->second != kNowhere) out.files[place->second].ranges.push_back(read.pages);
  }
  for (tree::TraceFile& file : out.files) tidy(file.ranges);
  return out;
}

void Runs::count(std::map<std::string, uint64_t>& counters) const {
  counters["trace.replayed"] = replayed_;
  counters["trace.files"] = replayed_files_;
  counters["trace.files_missing"] = missing_files_;
  counters["trace.damaged"] = damaged_;
  counters["trace.recorded"] = recorded_;
}

}  // namespace devrun::volume
