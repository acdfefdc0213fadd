#include "agent/sandbox/lines.h"

#include "common/runtime/file.h"

namespace devrun::sandbox {

Status write_lines(const std::string& path, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).push_back('\n');
  return write_file_atomically(path, text, 0640);
}

Result<std::vector<std::string>> read_lines(const std::string& path) {
  Result<std::string> text = read_file(path, 1 << 20);
  std::vector<std::string> out;
  if (!text && text.error().code == Code::kNotFound) return out;
  if (!text) return std::move(text).error();
  size_t start = 0;
  for (size_t end = text->find('\n'); end != std::string::npos; end = text->find('\n', start)) {
    out.push_back(text->substr(start, end - start));
    start = end + 1;
  }
  return out;
}

}  // namespace devrun::sandbox
