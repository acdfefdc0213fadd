#include "controller/storage/traces.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>

#include "common/runtime/file.h"
#include "common/tree/trace.h"
#include "controller/storage/remove_tree.h"

namespace devrun::storage {

namespace fs = std::filesystem;

namespace {

// The one that has not been written for the longest time goes, until there is room for one more.
Status make_room(const std::string& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    files.emplace_back(entry.last_write_time(failed), entry.path());
  }
  if (files.size() < TraceFiles::kTracesMax) return ok();
  std::sort(files.begin(), files.end());
  files.resize(files.size() - TraceFiles::kTracesMax + 1);
  for (const auto& [written, path] : files) fs::remove(path, failed);
  return ok();
}

tree::Trace known_trace(const std::string& path) {
  const Result<std::string> bytes = read_file(path, tree::kTraceBytesMax);
  if (!bytes) return {};
  Result<tree::Trace> trace = tree::decode_trace(*bytes);
  return trace ? std::move(*trace) : tree::Trace{};
}

}  // namespace

Status TraceFiles::keep(const std::string& volume, const std::vector<std::string>& argv,
                        std::string_view trace) {
  const tree::Trace fresh = TRY(tree::decode_trace(trace));
  const std::lock_guard lock(mutex_);
  TRY(make_folders(export_path_ + "/traces/" + volume));
  for (const std::string& relative : tree::trace_paths(volume, argv)) {
    const std::string path = export_path_ + "/" + relative;
    std::error_code failed;
    if (!fs::exists(path, failed)) TRY(make_room(fs::path(path).parent_path().string()));
    const tree::Trace merged = tree::merge_traces(known_trace(path), fresh);
    TRY(write_file_atomically(path, tree::encode_trace(merged), 0444));
  }
  return ok();
}

Status TraceFiles::forget(const std::string& volume) {
  const std::lock_guard lock(mutex_);
  const std::string folder = export_path_ + "/traces";
  const Result<UniqueFd> parent = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (!parent) return ok();  // nobody's have been kept
  return remove_tree(parent->get(), volume);
}

}  // namespace devrun::storage
