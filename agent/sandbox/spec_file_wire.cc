#include "agent/sandbox/spec_file.h"
#include "common/wire/attempt.h"

namespace devrun::sandbox {

std::string spec_bytes(const AttemptSpec& spec) {
  return wire::serialize(spec);
}
Result<AttemptSpec> spec_of(std::string_view bytes) {
  return wire::parse_attempt_spec(bytes);
}

}  // namespace devrun::sandbox
