// The JSON schema of task files, for editors: made of the tables that the parser goes by (known_fields.h), so that the
// two cannot differ in what they know. docs/task.schema.json holds it; a test compares.
#pragma once

#include <string>

namespace devrun::launch {

// With a newline at its end.
std::string task_schema();

}  // namespace devrun::launch
