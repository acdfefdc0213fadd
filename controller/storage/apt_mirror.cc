// Which mirror a new Debian root should come from: the one that the machine itself uses, since that
// is the one that is near, allowed and reachable.
#include <filesystem>
#include <sstream>

#include "common/runtime/file.h"
#include "controller/storage/volume_source.h"

namespace devrun::storage {

namespace {

struct Source {
  std::string uri;
  std::vector<std::string> suites;
  std::vector<std::string> components;
};

std::vector<std::string> words_of(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// deb [options] URI SUITE COMPONENT…
void read_one_line(std::istream& in, std::vector<Source>& out) {
  for (std::string line; std::getline(in, line);) {
    if (const size_t open = line.find('['); open != std::string::npos) {
      const size_t close = line.find(']', open);
      if (close == std::string::npos) continue;
      line.erase(open, close - open + 1);
    }
    const std::vector<std::string> words = words_of(line);
    if (words.size() >= 4 && words[0] == "deb") {
      out.push_back({words[1], {words[2]}, {words.begin() + 3, words.end()}});
    }
  }
}

// Stanzas of `Field: values`, ended by an empty line.
void read_deb822(std::istream& in, std::vector<Source>& out) {
  std::map<std::string, std::vector<std::string>> stanza;
  const auto end_stanza = [&] {
    if (contains(stanza["Types"], "deb") && !contains(stanza["Enabled"], "no") &&
        !stanza["URIs"].empty()) {
      out.push_back({stanza["URIs"].front(), stanza["Suites"], stanza["Components"]});
    }
    stanza.clear();
  };
  for (std::string line; std::getline(in, line);) {
    if (words_of(line).empty()) end_stanza();
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.starts_with('#') || line.starts_with(' ')) continue;
    stanza[line.substr(0, colon)] = words_of(std::string_view(line).substr(colon + 1));
  }
  end_stanza();
}

std::vector<std::string> source_files(const std::string& apt_folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& file :
       std::filesystem::directory_iterator(apt_folder + "/sources.list.d", error)) {
    out.push_back(file.path().string());
  }
  std::sort(out.begin(), out.end());
  out.insert(out.begin(), apt_folder + "/sources.list");
  return out;
}

// debootstrap's script of every Debian suite is the one of sid; other distributions have their own
// mirrors.
bool is_debian_suite(std::string_view suite) {
  std::error_code error;
  const auto script = std::filesystem::canonical(
      std::filesystem::path("/usr/share/debootstrap/scripts") / suite, error);
  return !error && script.filename() == "sid";
}

}  // namespace

std::string find_mirror(const std::string& apt_folder, std::string_view suite) {
  std::vector<Source> sources;
  for (const std::string& path : source_files(apt_folder)) {
    const Result<std::string> text = read_file(path, 1 << 20);
    if (!text) continue;
    std::istringstream in(*text);
    if (path.ends_with(".sources")) {
      read_deb822(in, sources);
    } else if (path.ends_with(".list")) {
      read_one_line(in, sources);
    }
  }
  std::string any;
  for (const Source& source : sources) {
    // A whole archive has a main component; those of security updates have it too, but no base
    // system.
    const bool is_archive = contains(source.components, "main") &&
                            source.uri.find("security") == std::string::npos &&
                            source.uri.find("/debian") != std::string::npos;
    if (!is_archive) continue;
    if (contains(source.suites, suite)) return source.uri;
    if (any.empty()) any = source.uri;
  }
  return is_debian_suite(suite) ? any : std::string();
}

}  // namespace devrun::storage
