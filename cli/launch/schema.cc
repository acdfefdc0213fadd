#include "cli/launch/schema.h"

#include <nlohmann/json.hpp>

#include "cli/launch/known_fields.h"
#include "cli/launch/task_file.h"

namespace devrun::launch {

namespace {

using Json = nlohmann::ordered_json;

Json type(std::initializer_list<const char*> names) {
  Json out = Json::array();
  for (const char* name : names) out.push_back(name);
  return {{"type", out.size() == 1 ? out[0] : out}};
}

// Null is as if absent, everywhere.
Json of_kinds(unsigned kinds) {
  Json names = Json::array();
  if ((kinds & kString) != 0) names.push_back("string");
  if ((kinds & kBool) != 0) names.push_back("boolean");
  if ((kinds & kFloat) != 0) {
    names.push_back("number");
  } else if ((kinds & kInt) != 0) {
    names.push_back("integer");
  }
  if ((kinds & kList) != 0) names.push_back("array");
  if ((kinds & kMap) != 0) names.push_back("object");
  names.push_back("null");
  return {{"type", names}};
}

Json map_of(const Json& values) {
  return {{"type", {"object", "null"}}, {"additionalProperties", values}};
}
Json one_or_list(const Json& one) {
  return {{"anyOf", {one, {{"type", "array"}, {"items", one}}, type({"null"})}}};
}
Json whole(int64_t least, int64_t most) {
  return {{"type", {"integer", "null"}}, {"minimum", least}, {"maximum", most}};
}
Json text_or_null() {
  return type({"string", "null"});
}

using Read = std::map<std::string_view, Json>;

// An object with these fields alone; `read` has those that the parser takes.
Json object(std::span<const Field> fields, const Read& read) {
  Json properties = Json::object();
  for (const Field& field : fields) {
    const std::string name(field.name);
    if (field.handling == Handling::kRead) {
      properties[name] = read.at(field.name);
      continue;
    }
    properties[name] = of_kinds(field.kinds);
    const std::string why(field.consequence);
    properties[name]["description"] =
        (field.handling == Handling::kHint ? "A hint" : "Not supported") +
        (why.empty() ? "" : ": " + why);
  }
  return {
      {"type", {"object", "null"}}, {"additionalProperties", false}, {"properties", properties}};
}

Json amount() {
  return type({"string", "number", "null"});
}

Json gpus() {
  return type({"string", "array", "object", "null"});
}

Json recovery() {
  const Json codes = one_or_list({{"type", "integer"}, {"minimum", 0}, {"maximum", 255}});
  const Read read{{"strategy", text_or_null()},
                  {"max_restarts_on_errors", whole(0, 1'000'000)},
                  {"recover_on_exit_codes", codes}};
  return {{"anyOf", {type({"string"}), object(recovery_fields(), read)}}};
}

Json ports() {
  return one_or_list(type({"integer", "string"}));
}

Json resources() {
  Read read{{"cpus", amount()},
            {"memory", amount()},
            {"accelerators", gpus()},
            {"gpus", gpus()},
            {"job_recovery", recovery()},
            {"spot_recovery", recovery()},
            {"priority", whole(-kPriorityMax, kPriorityMax)},
            {"image_id", type({"string", "object", "null"})},
            {"ports", ports()}};
  const Json alternative = object(alternative_fields(), read);
  const Json list = {{"type", {"array", "null"}}, {"minItems", 1}, {"items", alternative}};
  read["any_of"] = list;
  read["ordered"] = list;
  return object(resources_fields(), read);
}

Json storage() {
  const Read read{{"name", text_or_null()},
                  {"source", one_or_list(type({"string"}))},
                  {"mode", text_or_null()}};
  return object(storage_fields(), read);
}

Json service() {
  const Read of_probe{{"path", text_or_null()},
                      {"post_data", of_kinds(kAnyKind)},
                      {"initial_delay_seconds", whole(0, 86'400 * 30)},
                      {"timeout_seconds", whole(0, 86'400 * 30)}};
  const Json probe = {{"anyOf", {type({"string"}), object(probe_fields(), of_probe)}}};
  const Read read{{"readiness_probe", probe},
                  {"replicas", whole(0, 10'000)},
                  {"replica_policy", of_kinds(kMap)},
                  {"ports", ports()}};
  return object(service_fields(), read);
}

Json workdir() {
  const Read read{{"url", type({"string"})}, {"ref", text_or_null()}};
  Json git = object(workdir_fields(), read);
  git["required"] = {"url"};
  return {{"anyOf", {text_or_null(), git}}};
}

Json devrun_key() {
  const Json value = type({"string", "number", "boolean"});
  const Read read{{"array", whole(1, kPointsMax)},
                  {"sweep", map_of({{"anyOf", {value, {{"type", "array"}, {"items", value}}}}})},
                  {"max_running", whole(1, kPointsMax)}};
  return object(devrun_fields(), read);
}

Json document() {
  const Json value = type({"string", "number", "boolean", "null"});
  const Json names = {{"type", "array"}, {"items", type({"string"})}};
  const Json volume = object(volume_fields(), Read{{"name", text_or_null()}});
  const Json source = {{"anyOf", {type({"string"}), storage()}}};
  const Json from = {{"anyOf", {type({"string"}), volume}}};
  const Read read{{"name", text_or_null()},
                  {"workdir", workdir()},
                  {"num_nodes", whole(1, kTaskNodesMax)},
                  {"resources", resources()},
                  {"envs", map_of(value)},
                  {"secrets", {{"anyOf", {map_of(value), names}}}},
                  {"setup", text_or_null()},
                  {"run", text_or_null()},
                  {"file_mounts", map_of(source)},
                  {"volumes", map_of(from)},
                  {"service", service()},
                  {"devrun", devrun_key()}};
  return object(task_fields(), read);
}

}  // namespace

std::string task_schema() {
  Json out = {{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "A task file of devrun launch"}};
  const Json of_document = document();
  for (const auto& [key, value] : of_document.items()) out[key] = value;
  return out.dump(1, ' ') + "\n";
}

}  // namespace devrun::launch
