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

Text read_workdir(Report& report, const Entry& entry) {
  const Node& node = *entry.value;
  if (node.kind != NodeKind::kMapping) {
    if (node.is_string()) return read_text(report, entry);
    report.wrong_type(node.place, "workdir", "a folder, or {url: …, ref: …}", node);
    return {};
  }
  static constexpr std::array kFields{Field{"url", Handling::kRead}, Field{"ref", Handling::kRead}};
  bool has_url = false;
  for (const Entry* part : walk_fields(report, node, kFields, "workdir")) {
    has_url = has_url || part->key == "url";
    read_string(report, "workdir." + part->key, *part->value);
  }
  if (!has_url) report.error(node.place, "workdir: expected a folder, or a map with 'url'");
  report.ignored(entry.key_place, "workdir.url", "the repository is not cloned");
  return {};
}

TaskOrder read_order(Report& report, const Node& node) {
  if (node.is_string() && node.scalar.text == "parallel") return TaskOrder::kParallel;
  if (!node.is_string() || node.scalar.text != "serial") {
    report.wrong_type(node.place, "execution", "serial or parallel", node);
  }
  return TaskOrder::kSerial;
}

void read_header(Report& report, const Node& document, TaskFile& file) {
  for (const Entry* entry : walk_fields(report, document, header_fields(), "")) {
    if (entry->key == "name") file.name = read_name(report, *entry).value;
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
    if (entry->key == "workdir") out.workdir = read_workdir(report, *entry);
    if (entry->key == "num_nodes") {
      out.nodes = read_int(report, "num_nodes", value, 1, kTaskNodesMax).value_or(1);
    }
    if (entry->key == "resources") out.alternatives = read_resources(report, value);
    if (entry->key == "envs") out.envs = read_envs(report, value);
    if (entry->key == "secrets") out.secrets = read_secrets(report, value);
    if (entry->key == "setup") out.setup = read_text(report, *entry);
    if (entry->key == "run") out.run = read_text(report, *entry);
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
