// What of a request goes into the audit log: the fields that name things, and nothing that may be a secret (environments,
// tokens, bytes of files, more of a command line than its program).
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <utility>
#include <vector>

namespace devrun::controller {

// {"spec.name", "\"train\""}, {"job", "42"}: paths of fields, and values in JSON.
using AuditedFields = std::vector<std::pair<std::string, std::string>>;
AuditedFields audited_fields(const google::protobuf::Message& message);

}  // namespace devrun::controller
