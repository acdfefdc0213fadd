// One document, and the file of them.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "cli/launch/readers.h"

namespace devrun::launch {

namespace {

constexpr size_t kNameBytesMax = 128;

bool is_header(const Node& document) {
  if (document.kind != NodeKind::kMapping) return false;
  return std::all_of(document.entries.begin(), document.entries.end(), [](const Entry& entry) {
    const auto fields = header_fields();
    return std::any_of(fields.begin(), fields.end(),
                       [&](const Field& field) { return field.name == entry.key; });
  });
}

Text read_text(Report& report, const Entry& entry) {
  auto value = read_string(report, entry.key, *entry.value);
  return value ? Text{*std::move(value), entry.value->place} : Text{};
}

Text read_name(Report& report, const Entry& entry) {
  Text out = read_text(report, entry);
  if (out.value.size() > kNameBytesMax) {
    report.error(out.place, fmt::format("name: at most {} bytes", kNameBytesMax));
  }
  return out;
}

void read_workdir(Report& report, const Entry& entry, Task& out) {
  const Node& node = *entry.value;
  if (node.is_string()) {
    out.workdir = read_text(report, entry);
    return;
  }
  if (node.kind != NodeKind::kMapping) {
    return report.wrong_type(node.place, "workdir", "a folder, or {url: …, ref: …}", node);
  }
  GitSource git;
  for (const Entry* part : walk_fields(report, node, workdir_fields(), "workdir")) {
    auto text = read_string(report, "workdir." + part->key, *part->value);
    if (text) (part->key == "url" ? git.url : git.ref) = {*std::move(text), part->value->place};
  }
  if (git.url.value.empty()) {
    report.error(node.place, "workdir: expected a folder, or a map with 'url'");
  }
  out.git = std::move(git);
}

TaskOrder read_order(Report& report, const Node& node) {
  if (node.is_string() && node.scalar.text == "parallel") return TaskOrder::kParallel;
  if (!node.is_string() || node.scalar.text != "serial") {
    report.wrong_type(node.place, "execution", "serial or parallel", node);
  }
  return TaskOrder::kSerial;
}

void read_primary(Report& report, const Node& node, TaskFile& file) {
  const auto one = [&](const Node& name) {
    auto text = read_string(report, "primary_tasks", name);
    if (text) file.primary_tasks.push_back({*std::move(text), name.place});
  };
  if (node.kind != NodeKind::kSequence) return one(node);
  for (const Node* item : node.items) one(*item);
}

void read_header(Report& report, const Node& document, TaskFile& file) {
  for (const Entry* entry : walk_fields(report, document, header_fields(), "")) {
    if (entry->key == "name") file.name = read_name(report, *entry).value;
    if (entry->key == "primary_tasks") read_primary(report, *entry->value, file);
    if (entry->key == "execution") file.order = read_order(report, *entry->value);
  }
}

// Those that are not empty.
std::vector<const Node*> documents_of(const YamlFile& yaml) {
  std::vector<const Node*> out;
  for (const Node* document : yaml.documents()) {
    if (!document->is_null()) out.push_back(document);
  }
  return out;
}

}  // namespace

Task read_task(Report& report, const Node& document) {
  Task out;
  if (document.kind != NodeKind::kMapping) {
    report.wrong_type(document.place, "the file", "a map of fields such as 'run: …'", document);
    return out;
  }
  for (const Entry* entry : walk_fields(report, document, task_fields(), "")) {
    const Node& value = *entry->value;
    if (entry->key == "name") out.name = read_name(report, *entry);
    if (entry->key == "workdir") read_workdir(report, *entry, out);
    if (entry->key == "num_nodes") {
      out.nodes = read_int(report, "num_nodes", value, 1, kTaskNodesMax).value_or(1);
    }
    if (entry->key == "resources") out.alternatives = read_resources(report, value);
    if (entry->key == "envs") out.envs = read_envs(report, value);
    if (entry->key == "secrets") out.secrets = read_secrets(report, value);
    if (entry->key == "setup") out.setup = read_text(report, *entry);
    if (entry->key == "run") out.run = read_text(report, *entry);
    if (entry->key == "file_mounts") out.file_mounts = read_file_mounts(report, value);
    if (entry->key == "volumes") out.volumes = read_volumes(report, value);
    if (entry->key == "service") out.service = read_service(report, *entry);
    if (entry->key == "devrun") out.sweep = read_sweep(report, *entry);
  }
  return out;
}

ParsedTaskFile parse_task_file(std::string_view text) {
  ParsedTaskFile out;
  ParsedYaml yaml = parse_yaml(text);
  out.diagnostics = std::move(yaml.diagnostics);
  TaskFile file;
  if (yaml.file) {
    std::vector<const Node*> documents = documents_of(*yaml.file);
    for (const Node* document : documents) collect_secrets(*document, out.redactions);
    if (documents.size() > 1 && is_header(*documents.front())) {
      Report report(out.diagnostics);
      read_header(report, *documents.front(), file);
      documents.erase(documents.begin());
    }
    for (const Node* document : documents) {
      Report report(out.diagnostics);
      file.tasks.push_back(read_task(report, *document));
    }
    if (file.tasks.empty()) {
      out.diagnostics.push_back(error_at({}, "the file holds no task", "begin with 'run: …'"));
    }
  }
  out.redactions.apply(out.diagnostics);
  sort_by_place(out.diagnostics);
  file.redactions = out.redactions;
  if (has_errors(out.diagnostics)) {
    if (yaml.file) out.incomplete = std::move(file);
    return out;
  }
  out.file = std::move(file);
  return out;
}

Result<std::string> read_task_file(const std::string& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) {
    return Error{Code::kInvalid, path + " is a folder and not a task file",
                 "devrun launch " + path + "/FILE.yaml"};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    Error error = errno_error("open " + path, errno).context("reading the task file");
    error.hint = error.code == Code::kNotFound
                     ? "devrun launch FILE.yaml, from the folder in which the file is"
                     : "ls -l " + path;
    return error;
  }
  std::string text(kFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return errno_error("read " + path, errno).context("reading the task file");
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kFileBytesMax) {
    return Error{Code::kInvalid,
                 fmt::format("{} is no task file: it has more than {} bytes", path, kFileBytesMax),
                 {}};
  }
  return text;
}

}  // namespace devrun::launch
