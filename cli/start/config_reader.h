// Reads a configuration file field by field and notes everything that is wrong with it, each with its place, what was
// expected and the nearest right word: whoever corrects a file wants to do so once.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace devrun::start {

class ConfigReader {
 public:
  explicit ConfigReader(std::string file) : file_(std::move(file)) {}

  using Field = std::function<void(const YAML::Node&)>;
  using Fields = std::vector<std::pair<std::string_view, Field>>;

  // The one document of the text; a null node if it cannot be read, or is empty.
  YAML::Node load(const std::string& text);
  // Every key must be one of the fields, once.
  void map(const YAML::Node& node, const Fields& fields);
  // Keys that are names.
  void names(const YAML::Node& node,
             const std::function<void(const YAML::Node& key, const YAML::Node& value)>& visit);
  void list(const YAML::Node& node, const Field& visit);

  // What each reads, or nothing after noting what is wrong.
  std::optional<std::string> word(const YAML::Node& node);
  std::optional<std::string> path(const YAML::Node& node);  // absolute and plain
  std::optional<bool> truth(const YAML::Node& node);
  std::optional<int64_t> size(const YAML::Node& node);
  std::optional<Duration> span(const YAML::Node& node);
  std::optional<int64_t> count(const YAML::Node& node, int64_t min, int64_t max);
  std::optional<int64_t> cores(const YAML::Node& node);  // in thousandths
  // A name or an address, and a port; `any`: also 0.0.0.0 or [::], to listen everywhere.
  std::optional<std::string> endpoint(const YAML::Node& node, bool any);
  std::optional<std::string> host(const YAML::Node& node);  // a name or an address

  void wrong(const YAML::Node& node, const std::string& what);
  // Of the file as a whole.
  void missing(const std::string& key, const std::string& example);

  // FILE:LINE:COLUMN: what, in the order of the file.
  std::vector<std::string> problems() const;
  // All of them as one error.
  Status status() const;

 private:
  void note(const YAML::Mark& at, const std::string& what);

  struct Problem {
    int line = 0;  // from 1; 0: the file as a whole
    int column = 0;
    std::string what;
  };
  const std::string file_;
  std::vector<Problem> problems_;
};

// As set of T, if it could be read.
template <typename T, typename U>
void set(T& field, std::optional<U>&& value) {
  if (value) field = std::move(*value);
}

}  // namespace devrun::start
