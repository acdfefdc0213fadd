#include "controller/rpc/known_nodes.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::controller {

namespace fs = std::filesystem;

std::string nodes_folder_beside(const std::string& jobs_path) {
  return (fs::path(jobs_path).parent_path() / "nodes").string();
}

Status note_node(const std::string& folder, const std::string& node) {
  if (node.empty() || node.front() == '.' || node.find('/') != std::string::npos) {
    return Error{Code::kInvalid, "no name of a node: " + node, {}};
  }
  const std::string path = folder + "/" + node;
  if (::access(path.c_str(), F_OK) == 0) return ok();
  TRY(make_folders(folder, 0700));
  TRY(write_file_durably(path, "", 0600));
  return sync_folder(fs::path(folder).parent_path().string());
}

Status forget_node(const std::string& folder, const std::string& node) {
  const std::string path = folder + "/" + node;
  if (::unlink(path.c_str()) == 0) return sync_folder(folder);
  return errno == ENOENT ? ok() : Status(errno_error("remove " + path, errno));
}

Result<std::vector<std::string>> noted_nodes(const std::string& folder) {
  std::vector<std::string> out;
  std::error_code failed;
  for (auto at = fs::directory_iterator(folder, failed); !failed && at != fs::directory_iterator();
       at.increment(failed)) {
    // What a crash left of a file that was being written is no node's.
    const std::string name = at->path().filename().string();
    if (name.find(".new.") == std::string::npos) out.push_back(name);
  }
  if (failed && failed.value() != ENOENT) return errno_error("read " + folder, failed.value());
  std::ranges::sort(out);
  return out;
}

}  // namespace devrun::controller
