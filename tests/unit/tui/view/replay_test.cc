// Recorded sessions: events in, cells out. A session is a text (sessions/*.txt), a line an event:
//
//   size ROWS COLUMNS | cluster | keys TEXT | key Enter|Esc|Tab|Up|Down | press ROW COLUMN | job ID STATE [NODE] | gone ID
//   load NODE CPU_PERMILLE | out TEXT | details | away WORDS | back | tick SECONDS | screen
//
// `screen` adds what is on the screen then to what is compared with golden/session_NAME.txt. In TEXT, \n and \r are those characters.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/unit/tui/view/sample_cluster.h"
#include "tui/view/draw.h"

namespace devrun::tui {
namespace {

const std::string kFolder = std::string(DEVRUN_SOURCE_FOLDER) + "/tests/unit/tui/view";

std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if (text[i] == '\\' && (next == 'n' || next == 'r')) {
      out += next == 'n' ? '\n' : '\r';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

Special special_named(const std::string& name) {
  if (name == "Enter") return Special::kEnter;
  if (name == "Esc") return Special::kEscape;
  if (name == "Tab") return Special::kTab;
  if (name == "Up") return Special::kUp;
  return Special::kDown;
}

JobState state_named(const std::string& name) {
  for (int i = 1; i <= static_cast<int>(JobState::kNodeLost); ++i) {
    if (state_name(static_cast<JobState>(i)) == name) return static_cast<JobState>(i);
  }
  return JobState::kQueued;
}

class Session {
 public:
  // False: there is no such event.
  bool take(const std::string& line) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    std::string rest;
    if (line.size() > name.size() + 1) rest = line.substr(name.size() + 1);
    if (name == "size") {
      Resized size;
      words >> size.rows >> size.columns;
      update(model_, size);
    } else if (name == "cluster" || name == "back") {
      update(model_, sample_cluster());
    } else if (name == "keys") {
      type(model_, rest);
    } else if (name == "key") {
      press(model_, Key{0, special_named(rest)});
    } else if (name == "press") {
      Mouse mouse;
      words >> mouse.row >> mouse.column;
      update(model_, mouse);
    } else if (name == "job" || name == "gone" || name == "load") {
      push(name, words);
    } else if (name == "out") {
      std::string header(16, '\0');
      const std::string text = unescaped(rest);
      header[0] = 1;
      header[4] = static_cast<char>(text.size());
      update(model_, LogBytes{model_.log.of, header + text, false, model_.log.reading});
    } else if (name == "details") {
      update(model_, JobFetched{sample_array_details()});
    } else if (name == "away") {
      update(model_, ConnectionLost{rest});
    } else if (name == "tick") {
      int64_t later_s = 0;
      words >> later_s;
      update(model_, Ticked{model_.now + seconds(later_s)});
    } else if (name == "screen") {
      screens_ += "── " + rest + "\n" + draw(model_).text();
    } else {
      return name.empty() || name == "#";
    }
    return true;
  }
  const std::string& screens() const { return screens_; }

 private:
  void push(const std::string& name, std::istringstream& words) {
    Pushed pushed;
    pushed.now = model_.now;
    if (name == "load") {
      NodeSample sample;
      words >> sample.node >> sample.cpu_permille;
      pushed.loads = {sample};
    } else {
      JobId id = 0;
      std::string state, node;
      words >> id >> state >> node;
      JobRow job = model_.jobs.count(id) != 0 ? model_.jobs.at(id)
                                              : sample_job(id, JobState::kQueued, "python new.py");
      job.state = state_named(state);
      job.search.clear();
      if (!node.empty()) job.attempts = {sample_attempt({id, kNoTask, 0, 1}, node, job.state)};
      if (name == "gone") pushed.gone = {id};
      if (name == "job") pushed.jobs = {job};
    }
    update(model_, pushed);
  }

  Model model_;
  std::string screens_;
};

TEST(Replay, RecordedSessionsLookAsTheyDid) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder + "/sessions")) {
    ++count;
    Session session;
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) EXPECT_TRUE(session.take(line)) << line;
    const std::string golden = kFolder + "/golden/session_" + entry.path().stem().string() + ".txt";
    if (std::getenv("DEVRUN_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(golden) << session.screens();
      continue;
    }
    std::stringstream text;
    text << std::ifstream(golden).rdbuf();
    EXPECT_EQ(session.screens(), text.str()) << entry.path();
  }
  EXPECT_GE(count, 3u);
}

}  // namespace
}  // namespace devrun::tui
