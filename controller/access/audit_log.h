// What was changed, by whom, from where, and what came of it: lines of JSON in audit.jsonl of the controller's folder,
// newest last (docs/operations.md, Audit). Lines are only ever appended. When the file is full it becomes
// audit.jsonl.1, that becomes .2 and so on, and the last one goes. What was refused, and so changed nothing, has files of its
// own, audit-refused.jsonl: whoever asks for ever what they may not pushes out none of what was done.
//
// A line is written when the call has been answered, and for calls that last one at their beginning, too. It is not synced: a crash of the controller loses none, a power cut
// may lose the last ones. What cannot be written (a full disk) holds up nothing; the log says so.
//
// Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/runtime/fd.h"

namespace devrun::controller {

struct AuditEntry {
  Time at;
  std::string who;  // name
  std::string
      role;  // user …; container: `who` is the owner of the job that the call came from, empty if it was not found
  std::string from;  // the address; of a container the node's
  std::string via;   // of a container: which, in words
  std::string call;
  std::vector<std::pair<std::string, std::string>>
      about;             // the request's fields that name things, as JSON values
  std::string error;     // empty: it succeeded
  bool refused = false;  // with an error: nothing was changed
  Duration took;
  bool begun = false;  // of a call that lasts: the line at its beginning
};
// One line, with its newline.
std::string audit_line(const AuditEntry& entry);

struct AuditLimits {
  size_t file_bytes_max = 32 << 20;
  int files_max = 10;
};

// One file and those that it was before. Any thread.
class AuditFiles {
 public:
  static Result<std::unique_ptr<AuditFiles>> open(std::string file, AuditLimits limits);
  void append(const std::string& line);

 private:
  AuditFiles(std::string file, AuditLimits limits) : file_(std::move(file)), limits_(limits) {}
  Status write(const std::string& line);  // with mutex_, as the two below
  Status begin_file();
  void rotate();

  const std::string file_;
  const AuditLimits limits_;
  std::mutex mutex_;
  UniqueFd fd_;
  size_t bytes_ = 0;
  bool failed_ = false;  // told already
};

class AuditLog {
 public:
  static Result<std::unique_ptr<AuditLog>> open(const std::string& folder, AuditLimits limits = {});
  void write(const AuditEntry& entry);

 private:
  std::unique_ptr<AuditFiles> done_;
  std::unique_ptr<AuditFiles> refused_;
};

}  // namespace devrun::controller
