#include "controller/rpc/audited_fields.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/utf8.h"

namespace devrun::controller {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::ordered_json;

constexpr size_t kTextBytesMax = 200;
constexpr int kListedMax = 16;
constexpr int kDepthMax = 4;

// By name: a new field of a request is not told of before it stands here.
constexpr std::string_view kTold[] = {
    "access",  "after",   "argv",     "before",         "beside",   "create",      "debootstrap",
    "drained", "empty",   "failed",   "folder",         "groups",   "image",       "job",
    "join",    "kind",    "leave",    "name",           "node",     "nodes",       "orderly",
    "over",    "path",    "paths",    "quota_bytes",    "rank",     "reason",      "role",
    "set",     "signal",  "snapshot", "suite",          "task",     "unset",       "volume",
    "with",    "attempt", "message",  "refuse_earlier", "valid_us", "write_stdin", "dev_container",
    "uid",     "gid"};
// Messages that are looked into.
constexpr std::string_view kOpened[] = {"again",  "debootstrap",  "key",  "name",  "of",  "program",
                                        "root",   "session",      "spec", "start", "set", "unset",
                                        "volume", "site_identity"};

template <typename List>
bool has(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != std::end(list);
}

Json text_of(const std::string& bytes) {
  if (bytes.size() <= kTextBytesMax) return in_utf8(bytes);
  return in_utf8(bytes.substr(0, kTextBytesMax)) + "…";
}

Json value_of(const Message& message, const FieldDescriptor& field, int at) {
  const auto& reflection = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return text_of(many ? reflection.GetRepeatedString(message, &field, at)
                          : reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return many ? reflection.GetRepeatedBool(message, &field, at)
                  : reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? reflection.GetRepeatedInt32(message, &field, at)
                  : reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return many ? reflection.GetRepeatedInt64(message, &field, at)
                  : reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return many ? reflection.GetRepeatedUInt32(message, &field, at)
                  : reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return many ? reflection.GetRepeatedUInt64(message, &field, at)
                  : reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return std::string(many ? reflection.GetRepeatedEnum(message, &field, at)->name()
                              : reflection.GetEnum(message, &field)->name());
    default:
      return {};
  }
}

Json list_of(const Message& message, const FieldDescriptor& field) {
  // Of a command line its program.
  const int most = field.name() == "argv" ? 1 : kListedMax;
  const int size = message.GetReflection()->FieldSize(message, &field);
  Json out = Json::array();
  for (int i = 0; i < std::min(size, most); ++i) out.push_back(value_of(message, field, i));
  if (size > most) out.push_back("…");
  return out;
}

void add(const Message& message, const std::string& path, int depth, AuditedFields& out) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = path + field->name();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!has(kOpened, field->name()) || depth == kDepthMax) continue;
      const int size = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
      for (int i = 0; i < std::min(size, kListedMax); ++i) {
        const Message& inner = field->is_repeated()
                                   ? reflection.GetRepeatedMessage(message, field, i)
                                   : reflection.GetMessage(message, field);
        add(inner, field->is_repeated() ? fmt::format("{}[{}].", name, i) : name + ".", depth + 1,
            out);
      }
      continue;
    }
    if (!has(kTold, field->name())) continue;
    const Json value =
        field->is_repeated() ? list_of(message, *field) : value_of(message, *field, 0);
    out.emplace_back(name, value.dump());
  }
}

}  // namespace

AuditedFields audited_fields(const Message& message) {
  AuditedFields out;
  add(message, "", 0, out);
  return out;
}

}  // namespace devrun::controller
