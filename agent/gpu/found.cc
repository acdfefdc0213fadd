#include "agent/gpu/found.h"

#include <fmt/format.h>

#include <charconv>

#include "agent/gpu/driver_files.h"
#include "common/model/gpu_names.h"
#include "common/runtime/child.h"

namespace devrun::gpu {

namespace {

constexpr int kStatusNoLibrary = 3;  // main.cc

template <typename T>
bool number(std::string_view text, T& out) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  return failed == std::errc{} && end == text.data() + text.size();
}

}  // namespace

Result<std::vector<FoundGpu>> parse_gpus(std::string_view lines) {
  std::vector<FoundGpu> out;
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.find('\t') == std::string_view::npos)
      continue;  // a word about one that does not answer
    std::vector<std::string_view> fields;
    for (size_t at = 0; at <= line.size();) {
      const size_t tab = std::min(line.find('\t', at), line.size());
      fields.push_back(line.substr(at, tab - at));
      at = tab + 1;
    }
    FoundGpu found;
    const bool has_link = fields.size() == 6 && number(fields[5], found.gpu.link);
    if ((fields.size() != 5 && !has_link) || !number(fields[0], found.gpu.index) ||
        !number(fields[1], found.minor) || !number(fields[2], found.gpu.memory_bytes)) {
      return Error{Code::kCorrupt, fmt::format("devrun-gpus says '{}'", line), {}};
    }
    found.gpu.uuid = fields[3];
    found.gpu.name = fields[4];
    found.gpu.type = gpu_type_of(found.gpu.name);
    out.push_back(std::move(found));
  }
  return out;
}

Result<std::vector<FoundGpu>> find_gpus(const std::string& program,
                                        const std::string& driver_root) {
  std::vector<std::string> words{program};
  if (driver_root != "/") {
    const std::string library = find_library(driver_root, "libnvidia-ml.so.1");
    if (library.empty()) return std::vector<FoundGpu>();
    words.push_back(library);
  }
  const ChildResult ended = TRY(run_child(words));
  if (ended.exit_status == kStatusNoLibrary) return std::vector<FoundGpu>();
  if (ended.exit_status != 0) {
    return Error{Code::kUnavailable,
                 fmt::format("the GPU driver does not answer: {}", ended.out.substr(0, 200)),
                 "nvidia-smi"};
  }
  return parse_gpus(ended.out);
}

std::vector<FoundGpu> share_of(const std::vector<FoundGpu>& all, uint32_t part, uint32_t parts) {
  std::vector<FoundGpu> out;
  for (const FoundGpu& found : all) {
    if (found.gpu.index % parts == part - 1) out.push_back(found);
  }
  return out;
}

}  // namespace devrun::gpu
